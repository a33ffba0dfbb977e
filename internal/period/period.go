// Package period has the days, weeks and months of a zone. Each is half-open
// and begins where the one before it ends, whatever its clocks do.
package period

import "time"

// Unit is a kind of period.
type Unit string

// The units. A week begins on Monday.
const (
	Day   Unit = "day"
	Week  Unit = "week"
	Month Unit = "month"
)

// At is the period that a moment lies in, in UTC.
func At(u Unit, at time.Time, zone *time.Location) (from, to time.Time) {
	for d := Date(at.In(zone).Date()); ; d = Date(to.In(zone).Date()) {
		first := u.first(d)
		from, to = Begins(first, zone), Begins(u.after(first), zone)
		if at.Before(to) { // else clocks were set back over the end of the date
			return from, to
		}
	}
}

// Before is the period that ends where another begins, of which from is the
// beginning.
func Before(u Unit, from time.Time, zone *time.Location) (time.Time, time.Time) {
	return At(u, from.Add(-time.Nanosecond), zone)
}

// Starts are where the periods begin that touch a span, in order. Dates that
// the zone skips whole are left out.
func Starts(u Unit, from, to time.Time, zone *time.Location) []time.Time {
	var all []time.Time
	for at := from; at.Before(to); {
		start, next := At(u, at, zone)
		all, at = append(all, start), next
	}
	return all
}

// first is the first date of the period that a date lies in.
func (u Unit) first(d time.Time) time.Time {
	switch u {
	case Week:
		return d.AddDate(0, 0, -(int(d.Weekday())+6)%7)
	case Month:
		return Date(d.Year(), d.Month(), 1)
	case Day:
	}
	return d
}

// after is the first date of the next period.
func (u Unit) after(first time.Time) time.Time {
	switch u {
	case Week:
		return first.AddDate(0, 0, 7)
	case Month:
		return first.AddDate(0, 1, 0)
	case Day:
	}
	return first.AddDate(0, 0, 1)
}

// Date is a day of the calendar, without a zone.
func Date(year int, month time.Month, day int) time.Time {
	return time.Date(year, month, day, 0, 0, 0, 0, time.UTC)
}

// Begins is the first instant of a date in a zone, in UTC. time.Date does not
// promise one where midnight is skipped or comes twice.
func Begins(d time.Time, zone *time.Location) time.Time {
	at := d.Add(-26 * time.Hour) // no clock anywhere shows the date yet
	for {
		from, until := at.In(zone).ZoneBounds()
		_, offset := at.In(zone).Zone()
		midnight := d.Add(-time.Duration(offset) * time.Second)
		switch {
		case midnight.Before(at): // the clock was set past it
			return from.UTC()
		case until.IsZero() || midnight.Before(until):
			return midnight
		}
		at = until.UTC()
	}
}
