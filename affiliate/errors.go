package affiliate

import (
	"github.com/fature/fature/internal/fault"
	"github.com/fature/fature/internal/pg"
)

// What a host can act on. Each is of a kind: fature.ErrConflict and so on.
var (
	ErrNotFound       = fault.New(fault.NotFound, "no such affiliate")
	ErrUserNotFound   = fault.New(fault.NotFound, "no such user")
	ErrEmailTaken     = fault.New(fault.Conflict, "the e-mail address belongs to another user")
	ErrUserTaken      = fault.New(fault.Conflict, "the user is an affiliate already")
	ErrCodeTaken      = fault.New(fault.Conflict, "the referral code is taken")
	ErrIDTaken        = fault.New(fault.Conflict, "the id is taken")
	ErrOriginTaken    = fault.New(fault.Conflict, "a user with this original id was made already")
	ErrCodeNotFound   = fault.New(fault.Invalid, "no such referral code")
	ErrCouponNotFound = fault.New(fault.NotFound, "no such coupon of the affiliate")
	ErrParentNotFound = fault.New(fault.Invalid, "no such parent")
)

var constraints = pg.Constraints{
	"users_pkey":                        ErrIDTaken,
	"users_email_canon_key":             ErrEmailTaken,
	"users_origin_key":                  ErrOriginTaken,
	"affiliates_pkey":                   ErrIDTaken,
	"affiliates_user_id_key":            ErrUserTaken,
	"affiliates_user_id_fkey":           ErrUserNotFound,
	"referral_codes_code_key":           ErrCodeTaken,
	"referral_codes_affiliate_id_fkey":  ErrNotFound,
	"customer_owners_affiliate_id_fkey": ErrNotFound,
}

func fail(op string, err error) error { return pg.Fail("affiliate: "+op, err, constraints) }
