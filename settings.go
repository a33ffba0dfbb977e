package fature

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"regexp"
	"strconv"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/fature/fature/affiliate"
	"github.com/fature/fature/cache"
	"github.com/fature/fature/internal/fault"
	"github.com/fature/fature/internal/page"
	"github.com/fature/fature/internal/pg"
)

// Setting is a value of the host's configuration.
type Setting struct {
	Name      string          `db:"name"`
	Value     json.RawMessage `db:"value"`
	UpdatedAt time.Time       `db:"updated_at"`
}

// Settings are values of the host's configuration that change while it runs, by
// name. They are JSON, audited, and kept for a day. Set writes them through:
// this process reads what it set at once, and another after Config.Cache.Near at
// most.
type Settings struct {
	db   pg.DB
	kept *cache.View[string, json.RawMessage]
}

// ErrSettingNotFound is returned for the name of no setting.
var ErrSettingNotFound = fault.New(fault.NotFound, "no such setting")

func newSettings(db pg.DB, space *cache.Space) *Settings {
	s := &Settings{db: db}
	s.kept = cache.WriteThrough(space, cache.Config[string, json.RawMessage]{
		Load: s.load, Absent: ErrSettingNotFound, Key: func(name string) string { return name },
	}, s.store)
	return s
}

// settingChanged is the topic of settings that a transaction has changed, and
// that the cache was not told of.
const settingChanged = "setting"

// WithTx returns settings that are read and written inside tx, past the cache,
// which forgets what it has when tx is committed (AfterCommit).
func (s *Settings) WithTx(tx pgx.Tx) *Settings {
	return newSettings(pg.Bind(s.db, tx), cache.Off(cache.General))
}

// As returns settings for a viewer: who reads all reads them.
func (s *Settings) As(v affiliate.Viewer) *Settings {
	c := *s
	c.db = pg.As(s.db, v)
	return &c
}

// Get reads a setting into a pointer, as json.Unmarshal does. Errors:
// ErrSettingNotFound; InvalidError of the name, where its value does not fit.
func (s *Settings) Get(ctx context.Context, name string, into any) error {
	return pg.Fail("fature: get a setting", s.get(ctx, name, into), nil)
}

func (s *Settings) get(ctx context.Context, name string, into any) error {
	if err := pg.MayReadAll(s.db); err != nil {
		return err
	}
	if checkSettingName(name) != nil {
		return ErrSettingNotFound
	}
	value, err := s.kept.Get(ctx, name)
	if err != nil {
		return err
	}
	return fault.In(name, json.Unmarshal(value, into))
}

func (s *Settings) load(ctx context.Context, name string) (json.RawMessage, error) {
	found, err := pg.One[Setting](ctx, s.db, selectSetting, name)
	if errors.Is(err, pgx.ErrNoRows) {
		err = ErrSettingNotFound
	}
	return found.Value, err
}

// Set makes or changes a setting: to what json.Marshal makes of the value.
// Setting what it is already writes nothing. A name is up to 100 small letters,
// digits and . _ -, beginning with a letter; a value at most 64 KiB of JSON.
// Errors: InvalidError of name or value.
func (s *Settings) Set(ctx context.Context, name string, value any) error {
	if err := pg.MayWrite(s.db); err != nil {
		return pg.Fail("fature: set", err, nil)
	}
	var c fault.Check
	c.Err("name", checkSettingName(name))
	text, err := settingText(value)
	c.Err("value", err)
	if err := c.Done(); err != nil {
		return pg.Fail("fature: set", err, nil)
	}
	err = s.kept.Put(ctx, name, text)
	if errors.Is(err, cache.ErrUndelivered) { // it is set; the cache is told later
		err = pg.InTx(ctx, s.db, func(tx pg.DB) error {
			pg.Changed(tx, settingChanged, name)
			return nil
		})
	}
	return pg.Fail("fature: set", err, nil)
}

func (s *Settings) store(ctx context.Context, name string, value json.RawMessage) error {
	return pg.InTx(ctx, s.db, func(tx pg.DB) error {
		if pg.Inside(s.db) { // else Put keeps what is stored
			pg.Changed(tx, settingChanged, name)
		}
		_, err := tx.Exec(ctx, upsertSetting, pg.NewID(), name, value)
		return err
	})
}

// Delete removes a setting, or returns ErrSettingNotFound.
func (s *Settings) Delete(ctx context.Context, name string) error {
	return pg.Fail("fature: delete a setting", s.remove(ctx, name), nil)
}

func (s *Settings) remove(ctx context.Context, name string) error {
	if err := pg.MayWrite(s.db); err != nil {
		return err
	}
	if checkSettingName(name) != nil {
		return ErrSettingNotFound
	}
	return pg.InTx(ctx, s.db, func(tx pg.DB) error {
		tag, err := tx.Exec(ctx, deleteSetting, name)
		if err == nil && tag.RowsAffected() == 0 {
			err = ErrSettingNotFound
		}
		pg.Changed(tx, settingChanged, name)
		return err
	})
}

// forget makes the next Get of settings read what the database has.
func (s *Settings) forget(ctx context.Context, names []string) error {
	return s.kept.Delete(ctx, names...)
}

// List reads a page of settings in the order of their names, past the cache.
// after is the Next of the page before; limit defaults to 50, at most 1,000.
func (s *Settings) List(ctx context.Context, after string, limit int) (page.Page[Setting], error) {
	found, err := page.Read(after, limit, func(s Setting) string { return s.Name },
		func(from string, rows int) ([]Setting, error) {
			if from != "" && checkSettingName(from) != nil {
				return nil, fault.Field("cursor", "is not one that a page gave")
			}
			return pg.All[Setting](ctx, s.db, listSettings, from, rows)
		})
	return found, pg.Fail("fature: list settings", err, nil)
}

const (
	maxSetting       = 64 << 10 // bytes
	maxSettingDepth  = 32
	maxSettingDigits = 400 // of a number, written out: JSONB does
)

var settingName = regexp.MustCompile(`^[a-z][a-z0-9._-]{0,99}$`)

func checkSettingName(name string) error {
	if !settingName.MatchString(name) {
		return fault.Field("", "%.120q is not a name of small letters, digits, . _ and - of at most 100 characters", name)
	}
	return nil
}

// settingText is a value as JSON that JSONB takes and does not blow up.
func settingText(value any) (json.RawMessage, error) {
	text, err := json.Marshal(value)
	if err != nil {
		return nil, fault.Field("", "is not JSON: %.200v", err)
	}
	if len(text) > maxSetting {
		return nil, fault.Field("", "is longer than %d bytes", maxSetting)
	}
	d := json.NewDecoder(bytes.NewReader(text))
	d.UseNumber()
	for depth := 0; ; {
		token, err := d.Token()
		if errors.Is(err, io.EOF) {
			return text, nil
		}
		if err != nil {
			return nil, fault.Field("", "is not JSON: %.200v", err)
		}
		switch token := token.(type) {
		case json.Delim:
			if depth++; token == '}' || token == ']' {
				depth -= 2
			}
			if depth > maxSettingDepth {
				return nil, fault.Field("", "is nested deeper than %d", maxSettingDepth)
			}
		case string:
			// Half a surrogate and bytes that are no text read as U+FFFD.
			if strings.ContainsAny(token, "\x00\uFFFD") {
				return nil, fault.Field("", "is not valid UTF-8 or holds a NUL")
			}
		case json.Number:
			if !smallNumber(string(token)) {
				return nil, fault.Field("", "holds a number out of range")
			}
		}
	}
}

func smallNumber(text string) bool {
	digits, exponent, _ := strings.Cut(strings.ToLower(text), "e")
	n, err := strconv.Atoi(exponent)
	return len(digits) <= maxSettingDigits && (exponent == "" || err == nil && n <= maxSettingDigits && n >= -maxSettingDigits)
}
