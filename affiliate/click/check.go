package click

import "github.com/fature/fature/internal/verify"

// Checks are the invariants of clicks.
func Checks() []verify.Check {
	return []verify.Check{
		{Name: "K1", Meaning: "a click is the affiliate's to whom its code leads", SQL: `
			select c.id from fature.clicks c
			left join fature.referral_codes r on lower(r.code collate "C") = c.code
			where r.affiliate_id is distinct from c.affiliate_id`},
	}
}
