package commission

import (
	"fmt"
	"regexp"
	"strconv"
	"time"

	"github.com/fature/fature/internal/fault"
	"github.com/fature/fature/internal/period"
)

// Interval is one day, week or month in a zone, half-open.
type Interval struct {
	Period   Period
	Name     string // 2025-06-14, 2025-W23 or 2025-06
	From, To time.Time
}

var intervalName = regexp.MustCompile(`^([0-9]{4})-(?:W([0-9]{2})|([0-9]{2})(?:-([0-9]{2}))?)$`)

// ParseInterval reads a day (2025-06-14), an ISO week (2025-W23, from Monday)
// or a month (2025-06) of a zone, none of which was over by 2000. A day begins
// at the first instant of its date, which is not midnight where clocks skip
// that. Errors are of the kind fault.Invalid, those of a date that the zone
// skips whole included.
func ParseInterval(name string, zone *time.Location) (Interval, error) {
	part := intervalName.FindStringSubmatch(name)
	if part == nil {
		return Interval{}, fault.Field("period", "%.40q is not a period such as 2025-06, 2025-W23 or 2025-06-14", name)
	}
	year, _ := strconv.Atoi(part[1]) // four digits, and two of the others
	week, _ := strconv.Atoi(part[2])
	month, _ := strconv.Atoi(part[3])
	day, _ := strconv.Atoi(part[4])
	first, p := date(year, time.Month(month), max(day, 1)), Month
	switch {
	case part[2] != "":
		first, p = date(year, time.January, 4).AddDate(0, 0, 7*(week-1)), Week // the 4th is always in the first week
	case part[4] != "":
		p = Day
	}
	iv := newInterval(p, first, zone)
	if iv.Name != name || !iv.To.After(date(2000, time.January, 1)) {
		return Interval{}, fault.Field("period", "%s is not in the calendar since 2000", name)
	}
	if !iv.From.Before(endOfTime) {
		return Interval{}, fault.Field("period", "%s is after the year 2999", name)
	}
	if !iv.From.Before(iv.To) {
		return Interval{}, fault.Field("period", "%s does not exist in %s", name, zone)
	}
	return iv, nil
}

// endOfTime bounds what is asked about times to come: with the longest hold after
// it a time still has a year of four digits, which JSON needs.
var endOfTime = date(3000, time.January, 1)

// IntervalAt is the interval that a moment lies in.
func IntervalAt(p Period, at time.Time, zone *time.Location) Interval {
	iv := newInterval(p, date(at.In(zone).Date()), zone)
	for !at.Before(iv.To) { // clocks were set back over the end of the date
		iv = iv.next(zone)
	}
	return iv
}

// next is the interval that begins where this one ends.
func (iv Interval) next(zone *time.Location) Interval {
	return newInterval(iv.Period, date(iv.To.In(zone).Date()), zone)
}

// newInterval is the interval that a date lies in.
func newInterval(p Period, d time.Time, zone *time.Location) Interval {
	first := p.first(d)
	iv := Interval{Period: p, From: begins(first, zone), To: begins(p.after(first), zone)}
	switch p {
	case Week:
		year, week := first.ISOWeek()
		iv.Name = fmt.Sprintf("%04d-W%02d", year, week)
	case Month:
		iv.Name = first.Format("2006-01")
	case Day, Lifetime, EachTransaction:
		iv.Name = first.Format("2006-01-02")
	}
	return iv
}

// first is the first date of the period that a date lies in.
func (p Period) first(d time.Time) time.Time {
	switch p {
	case Week:
		return monday(d)
	case Month:
		return date(d.Year(), d.Month(), 1)
	case Day, Lifetime, EachTransaction:
	}
	return d
}

// after is the first date of the next period.
func (p Period) after(first time.Time) time.Time {
	switch p {
	case Week:
		return first.AddDate(0, 0, 7)
	case Month:
		return first.AddDate(0, 1, 0)
	case Day, Lifetime, EachTransaction:
	}
	return first.AddDate(0, 0, 1)
}

// date is a day of the calendar, without a zone.
func date(year int, month time.Month, day int) time.Time {
	return time.Date(year, month, day, 0, 0, 0, 0, time.UTC)
}

func monday(d time.Time) time.Time { return d.AddDate(0, 0, -(int(d.Weekday())+6)%7) }

// begins is the first instant of a date in a zone, in UTC.
func begins(d time.Time, zone *time.Location) time.Time { return period.Begins(d, zone) }
