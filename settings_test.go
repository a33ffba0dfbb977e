package fature_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"

	"github.com/fature/fature"
	"github.com/fature/fature/internal/scenario"
)

type banner struct {
	Text  string   `json:"text"`
	Pages []string `json:"pages"`
}

func TestSettings(t *testing.T) {
	t.Parallel()
	w := scenario.New(t)
	s := w.Program.Settings
	ctx := fature.WithActor(t.Context(), fature.Actor{ID: "ana"})
	var got banner
	require.ErrorIs(t, s.Get(ctx, "banner", &got), fature.ErrSettingNotFound)
	require.ErrorIs(t, s.Get(ctx, "banner", &got), fature.ErrNotFound)
	require.ErrorIs(t, s.Delete(ctx, "banner"), fature.ErrNotFound)

	want := banner{"Olá <b>", []string{"home", "=1"}}
	require.NoError(t, s.Set(ctx, "banner", want))
	require.NoError(t, s.Set(ctx, "banner", want), "which writes nothing")
	require.NoError(t, s.Get(ctx, "banner", &got))
	require.Equal(t, want, got)
	require.NoError(t, s.Set(ctx, "banner", banner{Text: "new"}))
	got = banner{}
	require.NoError(t, s.Get(ctx, "banner", &got))
	require.Equal(t, "new", got.Text)
	var number int
	err := s.Get(ctx, "banner", &number)
	require.ErrorIs(t, err, fature.ErrInvalid)
	require.Equal(t, "banner", fature.Problems(err)[0].Field)
	require.NoError(t, s.Set(ctx, "nothing", nil))
	pointer := &number
	require.NoError(t, s.Get(ctx, "nothing", &pointer))
	require.Nil(t, pointer)

	require.NoError(t, s.Delete(ctx, "banner"))
	require.ErrorIs(t, s.Get(ctx, "banner", &got), fature.ErrNotFound)
	require.Equal(t, []string{"INSERT ana", "UPDATE ana", "INSERT ana", "DELETE ana"}, list[string](t, w.Pool,
		"select operation || ' ' || changed_by from fature.data_audit where table_name = 'settings' order by seq"))
	w.Verify()
}

func TestSettingsList(t *testing.T) {
	t.Parallel()
	s := scenario.New(t).Program.Settings
	for i := range 7 {
		require.NoError(t, s.Set(t.Context(), fmt.Sprint("a.", 6-i), i))
	}
	var names []string
	for after := ""; ; {
		page, err := s.List(t.Context(), after, 3)
		require.NoError(t, err)
		for _, setting := range page.Items {
			require.False(t, setting.UpdatedAt.IsZero())
			names = append(names, setting.Name+"="+string(setting.Value))
		}
		if after = page.Next; after == "" {
			break
		}
	}
	require.Equal(t, []string{"a.0=6", "a.1=5", "a.2=4", "a.3=3", "a.4=2", "a.5=1", "a.6=0"}, names)
	_, err := s.List(t.Context(), "", 1001)
	require.ErrorIs(t, err, fature.ErrInvalid)
	_, err = s.List(t.Context(), "bad", 1)
	require.ErrorIs(t, err, fature.ErrInvalid)
}

func TestSettingsThatAreRefused(t *testing.T) {
	t.Parallel()
	s := scenario.New(t).Program.Settings
	deep := any(1)
	for range 33 {
		deep = []any{deep}
	}
	for name, value := range map[string]any{
		"a function": func() {}, "a NUL": "a\x00b", "a NUL in a key": map[string]int{"\x00": 1}, "too long": strings.Repeat("x", 64<<10), "too deep": deep,
		"a large number": json.RawMessage("1e10000"), "a small number": json.RawMessage("1e-10000"), "no JSON": json.RawMessage("{"), "half a surrogate": json.RawMessage(`["\ud800"]`), "no text": "\xff",
	} {
		err := s.Set(t.Context(), "x", value)
		require.ErrorIs(t, err, fature.ErrInvalid, name)
		require.Equal(t, "value", fature.Problems(err)[0].Field, name)
	}
	for _, name := range []string{"", "A", "1", "a b", "a\x00", "ã", strings.Repeat("a", 101)} {
		err := s.Set(t.Context(), name, 1)
		require.ErrorIs(t, err, fature.ErrInvalid, name)
		require.Equal(t, "name", fature.Problems(err)[0].Field, name)
		var into int
		require.ErrorIs(t, s.Get(t.Context(), name, &into), fature.ErrNotFound)
		require.ErrorIs(t, s.Delete(t.Context(), name), fature.ErrNotFound)
	}
	require.NoError(t, s.Set(t.Context(), strings.Repeat("a", 100), json.RawMessage("[1e400, -1.5e-400]")))
}

func TestSettingsInsideATransaction(t *testing.T) {
	t.Parallel()
	w := scenario.New(t)
	s, ctx := w.Program.Settings, t.Context()
	require.NoError(t, s.Set(ctx, "x", 1))
	back := errors.New("roll back")
	var got int
	require.ErrorIs(t, pgx.BeginFunc(ctx, w.Pool, func(tx pgx.Tx) error {
		inside := w.Program.WithTx(tx).Settings
		require.NoError(t, inside.Set(ctx, "x", 2))
		require.NoError(t, inside.Get(ctx, "x", &got))
		require.Equal(t, 2, got)
		require.NoError(t, inside.Delete(ctx, "x"))
		require.ErrorIs(t, inside.Get(ctx, "x", &got), fature.ErrNotFound)
		return back
	}), back)
	require.NoError(t, s.Get(ctx, "x", &got))
	require.Equal(t, 1, got)
}
