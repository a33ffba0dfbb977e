package commission_test

import (
	"os"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/fature/fature/commission"
	"github.com/fature/fature/internal/fault"
)

// zones are all zones that have rules of their own.
func zones(t testing.TB) (all []*time.Location) {
	t.Helper()
	text, err := os.ReadFile("testdata/zones.txt")
	require.NoError(t, err)
	for name := range strings.FieldsSeq(string(text)) {
		zone, err := time.LoadLocation(name)
		require.NoError(t, err)
		all = append(all, zone)
	}
	require.Greater(t, len(all), 300)
	return all
}

var intervalKinds = []commission.Period{commission.Day, commission.Week, commission.Month}

// requireInterval holds at every moment: it lies in its interval, which begins
// where the one before ends and ends where the next begins, and is found again
// by its name.
func requireInterval(t require.TestingT, kind commission.Period, at time.Time, zone *time.Location) commission.Interval {
	iv := commission.IntervalAt(kind, at, zone)
	before, next := commission.IntervalAt(kind, iv.From.Add(-1), zone), commission.IntervalAt(kind, iv.To, zone)
	if at.Before(iv.From) || !at.Before(iv.To) || !before.To.Equal(iv.From) || !next.From.Equal(iv.To) {
		require.Fail(t, "no tile", "%s of %s in %s: %v to %v, after %v, before %v", at, iv.Name, zone, iv.From, iv.To, before.To, next.From)
	}
	again, err := commission.ParseInterval(iv.Name, zone)
	if err != nil || again != iv {
		require.Fail(t, "not found by its name", "%v in %s: %v, %v", iv, zone, again, err)
	}
	return iv
}

// Around every change of the clocks of every zone, from the first year that has
// names on.
func TestIntervalsAroundChangesOfClocks(t *testing.T) {
	t.Parallel()
	changes := 0
	for _, zone := range zones(t) {
		for _, at := range clockChanges(zone) {
			changes++
			for _, off := range []time.Duration{-25 * time.Hour, -time.Hour, -1, 0, time.Hour, 25 * time.Hour} {
				for _, kind := range intervalKinds {
					iv := requireInterval(t, kind, at.Add(off), zone)
					if kind == commission.Day && off == 0 {
						requireFirst(t, iv, zone)
					}
				}
			}
		}
	}
	require.Greater(t, changes, 3000)
}

// clockChanges are the moments in which the clocks of a zone are set.
func clockChanges(zone *time.Location) (all []time.Time) {
	at := time.Date(2000, 1, 10, 0, 0, 0, 0, zone)
	for {
		_, next := at.ZoneBounds()
		if next.IsZero() || next.Year() > 2030 {
			return all
		}
		at = next
		all = append(all, at)
	}
}

// requireFirst holds for a day: no earlier moment shows its date, and its first
// one does.
func requireFirst(t require.TestingT, iv commission.Interval, zone *time.Location) {
	require.Equal(t, iv.Name, iv.From.In(zone).Format(time.DateOnly))
	for at := iv.From.Add(-30 * time.Hour); at.Before(iv.From); at = at.Add(15 * time.Minute) {
		if date := at.In(zone).Format(time.DateOnly); date >= iv.Name {
			require.Fail(t, "an earlier moment", "%s of %s in %s", at, iv.Name, zone)
		}
	}
}

func TestIntervalsAtAnyMoment(t *testing.T) {
	t.Parallel()
	all := zones(t)
	rapid.Check(t, func(t *rapid.T) {
		zone := rapid.SampledFrom(all).Draw(t, "zone")
		second := rapid.Int64Range(time.Date(2000, 1, 10, 0, 0, 0, 0, time.UTC).Unix(), time.Date(2100, 1, 1, 0, 0, 0, 0, time.UTC).Unix()).Draw(t, "second")
		requireInterval(t, rapid.SampledFrom(intervalKinds).Draw(t, "kind"), time.Unix(second, rapid.Int64Range(0, 999_999_999).Draw(t, "nanosecond")), zone)
	})
}

// Weeks are those of ISO 8601, which may begin or end in another year.
func TestWeeksOverNewYear(t *testing.T) {
	t.Parallel()
	for day, week := range map[string]string{
		"2004-12-31": "2004-W53", "2005-01-02": "2004-W53", "2005-01-03": "2005-W01", "2015-12-31": "2015-W53", "2016-01-03": "2015-W53",
		"2018-12-31": "2019-W01", "2019-12-30": "2020-W01", "2020-12-31": "2020-W53", "2021-01-04": "2021-W01", "2024-12-30": "2025-W01",
	} {
		at, err := time.Parse(time.DateOnly, day)
		require.NoError(t, err)
		require.Equal(t, week, commission.IntervalAt(commission.Week, at, time.UTC).Name, day)
	}
}

// Whatever is no name of a period is refused, and what is one is written in one
// way only.
func FuzzParseInterval(f *testing.F) {
	for _, name := range []string{"2025-06", "2025-W23", "2025-06-14", "1999-W52", "9999-12-31", "2025-00", "2025-W00", "2025-02-30", "２025-06", "2025-06\n", "-2025-06", "2025-6"} {
		f.Add(name)
	}
	zone, err := time.LoadLocation("America/Sao_Paulo")
	require.NoError(f, err)
	f.Fuzz(func(t *testing.T, name string) {
		iv, err := commission.ParseInterval(name, zone)
		if err != nil {
			require.ErrorIs(t, err, fault.Invalid)
			require.Less(t, len(err.Error()), 300)
			return
		}
		require.Equal(t, name, iv.Name)
		require.True(t, iv.From.Before(iv.To))
		require.Equal(t, iv, commission.IntervalAt(iv.Period, iv.From, zone))
	})
}
