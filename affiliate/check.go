package affiliate

import "github.com/fature/fature/internal/verify"

// Checks are the invariants of people, codes and customers.
func Checks() []verify.Check {
	return []verify.Check{
		{Name: "U1", Meaning: "e-mail addresses are stored in their canonical form", SQL: `
			select id from fature.users
			where email_canon <> normalize(email_canon, NFC) or email_canon <> btrim(email_canon) or position('@' in email_canon) = 0`},
		{Name: "R1", Meaning: "an affiliate's referral code leads to it and is not retired", SQL: `
			select a.id from fature.affiliates a
			where not exists (select from fature.referral_codes c
				where c.affiliate_id = a.id and c.code = a.referral_code and c.kind = 'link' and c.retired_at is null)`},
		{Name: "O1", Meaning: "a customer was attributed when its first owner began", SQL: `
			select c.id from fature.customers c
			where c.attributed_at is distinct from (
				select min(o.from_at) from fature.customer_owners o where o.customer_id = c.id)`},
	}
}
