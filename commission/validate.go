package commission

import (
	"fmt"
	"slices"
	"strings"
	"time"
	_ "time/tzdata" // a plan's zone must load, and mean the same, on a host without a zone database
	"unicode"
	"unicode/utf8"

	"github.com/shopspring/decimal"

	"github.com/fature/fature/affiliate"
	"github.com/fature/fature/internal/fault"
	"github.com/fature/fature/internal/money"
	"github.com/fature/fature/transaction"
)

// Limits of a document. They bound what rating one event can cost.
const (
	maxName  = 100 // characters
	maxID    = 64
	maxKey   = 255 // characters of a metadata key or value
	maxRules = 100
	maxSteps = 255
	maxCaps  = 20
	maxList  = 100 // categories, types, metadata values
	maxScale = 8   // decimals of a percent or a flat amount; other amounts have the currency's

	maxDigits = 4 // the most decimals that a currency has
)

// validator collects the problems of one document.
type validator struct {
	fault.Check
	digits int32           // the currency's decimals
	events map[string]bool // rule ids so far known, and whether they are event rules
}

// Validate tells every problem of a document at once, each an InvalidError of
// the kind fault.Invalid whose field is a path such as
// rules[2].pay.tiers.steps[1].up_to. Parse and NewPlan call it.
func (d Document) Validate() error {
	v := validator{events: map[string]bool{}}
	v.Err("name", checkText(d.Name, maxName))
	v.That(d.Name == strings.TrimSpace(d.Name), "name", "has spaces around it")
	v.currency(d.Currency)
	_, err := loadZone(d.Timezone)
	v.Err("timezone", err)
	oneOf(&v, "rounding", d.Rounding, "", HalfUp, HalfEven, Down)
	v.duration("hold", d.Hold)
	v.count("rules", len(d.Rules), maxRules)
	v.That(len(d.Caps) <= maxCaps, "caps", "are %d, more than %d", len(d.Caps), maxCaps)
	v.ids(d.Rules)
	for i, r := range d.Rules[:min(len(d.Rules), maxRules)] {
		v.rule(fmt.Sprintf("rules[%d]", i), r)
	}
	for i, c := range d.Caps[:min(len(d.Caps), maxCaps)] {
		v.cap(fmt.Sprintf("caps[%d]", i), c)
	}
	return v.Done()
}

func (v *validator) currency(code string) {
	if code == "" {
		v.digits = maxDigits
		v.That(false, "currency", "is missing")
		return
	}
	digits, err := money.Digits(code)
	if v.digits = digits; err != nil {
		v.digits = maxDigits // so that no amount is blamed for it
		v.Err("currency", err)
	}
}

// loadZone refuses the names that mean another zone on every machine.
func loadZone(name string) (*time.Location, error) {
	if name == "" {
		return time.UTC, nil
	}
	if len(name) <= maxID && name != "Local" {
		if zone, err := time.LoadLocation(name); err == nil {
			return zone, nil
		}
	}
	return nil, fmt.Errorf("%.64q is not an IANA time zone such as America/Sao_Paulo", name)
}

func (v *validator) ids(rules []Rule) {
	for i, r := range rules {
		path := fmt.Sprintf("rules[%d].id", i)
		_, twice := v.events[r.ID]
		switch {
		case r.ID == "":
			v.That(false, path, "is missing")
		case !validID(r.ID):
			v.That(false, path, "%.70q is not an id: at most %d letters, digits, _, - and ., a letter or digit first", r.ID, maxID)
		case twice:
			v.That(false, path, "%q is the id of an earlier rule", r.ID)
		default:
			v.events[r.ID] = r.Period == ""
		}
	}
}

func validID(id string) bool {
	for i, c := range []byte(id) {
		alnum := c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9'
		if !alnum && (i == 0 || c != '_' && c != '-' && c != '.') {
			return false
		}
	}
	return id != "" && len(id) <= maxID
}

func (v *validator) cap(path string, c Cap) {
	if !oneOf(v, path+".per", c.Per, PerTransaction, PerCustomer, PerAffiliate) {
		return
	}
	v.positive(path+".max", c.Max, v.digits)
	v.positive(path+".percent", c.Percent, maxScale)
	if c.Per == PerTransaction {
		v.That(c.Period == "", path+".period", "is only for a cap per customer or affiliate")
		v.exactlyOne(path, given{"max", c.Max != ""}, given{"percent", c.Percent != ""})
		return
	}
	oneOf(v, path+".period", c.Period, Day, Week, Month, Lifetime)
	v.That(c.Max != "", path+".max", "is missing")
	v.That(c.Percent == "", path+".percent", "is only for a cap per transaction")
}

// given is a field by its name in JSON, and whether it is there.
type given struct {
	name string
	is   bool
}

// exactlyOne notes all beyond the first of the fields given, or that none is.
func (v *validator) exactlyOne(path string, fields ...given) {
	var names []string
	first := ""
	for _, f := range fields {
		names = append(names, f.name)
		v.That(!f.is || first == "", path+"."+f.name, "stands beside %s: give one of them", first)
		if f.is && first == "" {
			first = f.name
		}
	}
	v.That(first != "", path, "needs one of %s", strings.Join(names, ", "))
}

// none notes the fields given, for the reason said.
func (v *validator) none(path, reason string, fields ...given) {
	for _, f := range fields {
		v.That(!f.is, path+"."+f.name, "%s", reason)
	}
}

// number notes what is wrong with a decimal. Not given is zero, and fine.
func (v *validator) number(path string, d Decimal, digits int32) (decimal.Decimal, bool) {
	if d == "" {
		return decimal.Zero, false
	}
	n, err := d.parse(digits)
	v.Err(path, err)
	return n, err == nil
}

func (v *validator) positive(path string, d Decimal, digits int32) {
	n, ok := v.number(path, d, digits)
	v.That(!ok || n.IsPositive(), path, "is zero")
}

func (v *validator) duration(path string, d Duration) (s span, ok bool) {
	if d == "" {
		return span{}, false
	}
	s, err := d.parse()
	v.Err(path, err)
	return s, err == nil
}

func (v *validator) count(path string, n, most int) {
	v.That(n > 0, path, "is missing or empty")
	v.That(n <= most, path, "has %d items, more than %d", n, most)
}

func (v *validator) categories(path string, categories []affiliate.Category) {
	if categories != nil {
		list(v, path, categories, affiliate.Category.Valid)
	}
}

func (v *validator) types(path string, types []transaction.Type) {
	list(v, path, types, transaction.Type.Valid)
}

// list notes an empty or overlong list, and each item that is not valid or
// stands twice.
func list[T ~string](v *validator, path string, items []T, valid func(T) bool) {
	v.count(path, len(items), maxList)
	for i, item := range items[:min(len(items), maxList)] {
		at := fmt.Sprintf("%s[%d]", path, i)
		v.That(valid(item), at, "%.40q is not known", string(item))
		v.That(!slices.Contains(items[:i], item), at, "%.40q stands twice", string(item))
	}
}

// oneOf notes a word that is missing or not one of those allowed. It is a
// function because methods have no type parameters.
func oneOf[T ~string](v *validator, path string, word T, allowed ...T) bool {
	if slices.Contains(allowed, word) {
		return true
	}
	words := make([]string, 0, len(allowed))
	for _, a := range allowed {
		if a != "" {
			words = append(words, string(a))
		}
	}
	if word == "" {
		v.That(false, path, "is missing: one of %s", strings.Join(words, ", "))
		return false
	}
	v.That(false, path, "%.40q is not one of %s", string(word), strings.Join(words, ", "))
	return false
}

// checkText refuses what no column or log takes.
func checkText(text string, most int) error {
	switch {
	case text == "":
		return fmt.Errorf("is missing")
	case !utf8.ValidString(text):
		return fmt.Errorf("is not valid UTF-8")
	case utf8.RuneCountInString(text) > most:
		return fmt.Errorf("is longer than %d characters", most)
	case strings.ContainsFunc(text, unicode.IsControl):
		return fmt.Errorf("holds a control character")
	}
	return nil
}
