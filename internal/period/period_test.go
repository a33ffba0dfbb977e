package period_test

import (
	"testing"
	"time"

	_ "time/tzdata"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/fature/fature/internal/period"
)

func zone(t testing.TB, name string) *time.Location {
	t.Helper()
	z, err := time.LoadLocation(name)
	require.NoError(t, err)
	return z
}

// Days where the clocks change have other lengths than 24 hours, and begin
// where the day before ends.
func TestChangesOfClocks(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		zone, at string
		unit     period.Unit
		from, to string
		length   time.Duration
	}{
		{"America/Sao_Paulo", "2018-11-04T12:00:00Z", period.Day, "2018-11-04T03:00:00Z", "2018-11-05T02:00:00Z", 23 * time.Hour}, // no midnight: it begins at 1:00
		{"America/Sao_Paulo", "2018-11-04T02:59:59Z", period.Day, "2018-11-03T03:00:00Z", "2018-11-04T03:00:00Z", 24 * time.Hour},
		{"America/Sao_Paulo", "2018-02-17T12:00:00Z", period.Day, "2018-02-17T02:00:00Z", "2018-02-18T03:00:00Z", 25 * time.Hour}, // 23:00 comes twice
		{"America/Sao_Paulo", "2018-11-15T12:00:00Z", period.Month, "2018-11-01T03:00:00Z", "2018-12-01T02:00:00Z", 30*24*time.Hour - time.Hour},
		{"Asia/Kathmandu", "2025-06-15T18:14:59Z", period.Day, "2025-06-14T18:15:00Z", "2025-06-15T18:15:00Z", 24 * time.Hour},
		{"Asia/Kathmandu", "2025-06-15T18:15:00Z", period.Week, "2025-06-15T18:15:00Z", "2025-06-22T18:15:00Z", 7 * 24 * time.Hour},
		{"Europe/Berlin", "2025-03-30T12:00:00Z", period.Day, "2025-03-29T23:00:00Z", "2025-03-30T22:00:00Z", 23 * time.Hour},
		{"Pacific/Apia", "2011-12-29T22:00:00Z", period.Day, "2011-12-29T10:00:00Z", "2011-12-30T10:00:00Z", 24 * time.Hour}, // the 30th was left out
		{"Pacific/Apia", "2011-12-30T10:00:00Z", period.Day, "2011-12-30T10:00:00Z", "2011-12-31T10:00:00Z", 24 * time.Hour},
		{"UTC", "2025-06-15T00:00:00Z", period.Week, "2025-06-09T00:00:00Z", "2025-06-16T00:00:00Z", 7 * 24 * time.Hour},
		{"UTC", "2024-12-31T23:59:59Z", period.Month, "2024-12-01T00:00:00Z", "2025-01-01T00:00:00Z", 31 * 24 * time.Hour},
	} {
		at, err := time.Parse(time.RFC3339, c.at)
		require.NoError(t, err)
		from, to := period.At(c.unit, at, zone(t, c.zone))
		require.Equal(t, c.from+" "+c.to, from.Format(time.RFC3339)+" "+to.Format(time.RFC3339), "%s of %s in %s", c.unit, c.at, c.zone)
		require.Equal(t, c.length, to.Sub(from))
	}
}

// Every moment lies in its period, which ends where the next begins.
func TestPeriodsAreOnEnd(t *testing.T) {
	t.Parallel()
	zones := []string{"UTC", "America/Sao_Paulo", "Asia/Kathmandu", "Pacific/Apia", "Africa/Casablanca", "America/St_Johns", "Australia/Lord_Howe", "Asia/Beirut"}
	rapid.Check(t, func(r *rapid.T) {
		z := zone(t, rapid.SampledFrom(zones).Draw(r, "zone"))
		u := rapid.SampledFrom([]period.Unit{period.Day, period.Week, period.Month}).Draw(r, "unit")
		at := time.Unix(rapid.Int64Range(946684800, 2000000000).Draw(r, "at"), 0)
		from, to := period.At(u, at, z)
		require.False(r, at.Before(from), "%s %s", from, at)
		require.True(r, at.Before(to), "%s %s", at, to)
		next, _ := period.At(u, to, z)
		require.Equal(r, to, next)
		earlier, end := period.Before(u, from, z)
		require.Equal(r, from, end)
		require.Equal(r, []time.Time{earlier, from}, period.Starts(u, earlier, to, z))
	})
}
