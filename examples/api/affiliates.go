package main

import (
	"time"

	"github.com/google/uuid"

	"github.com/fature/fature"
	"github.com/fature/fature/affiliate"
	"github.com/fature/fature/commission"
	"github.com/fature/fature/internal/fault"
	"github.com/fature/fature/internal/money"
)

type affiliateJSON struct {
	ID                  uuid.UUID          `json:"id"`
	UserID              uuid.UUID          `json:"user_id"`
	ParentID            *uuid.UUID         `json:"parent_id"`
	ReferralCode        string             `json:"referral_code"`
	Category            affiliate.Category `json:"category"`
	Status              affiliate.Status   `json:"status"`
	Level               int                `json:"level"`
	LifetimeVolume      string             `json:"lifetime_volume"`
	LifetimeCommissions string             `json:"lifetime_commissions"`
	CreatedAt           time.Time          `json:"created_at"`
}

// affiliateReply writes the totals in the programme's currency, or with two
// decimals while it has none.
func (a *api) affiliateReply(c *call, one affiliate.Affiliate) (affiliateJSON, error) {
	currency, err := c.program.Plans.Currency(c.Context())
	return affiliateIn(one, currency), err
}

func affiliateIn(one affiliate.Affiliate, currency string) affiliateJSON {
	return affiliateJSON{
		one.ID, one.UserID, one.ParentID, one.ReferralCode, one.Category, one.Status, one.Level,
		amount(one.LifetimeVolume, currency), amount(one.LifetimeCommissions, currency), one.CreatedAt.UTC(),
	}
}

type newAffiliate struct {
	UserID       uuid.UUID          `json:"user_id"`
	Email        string             `json:"email"`
	Name         string             `json:"name"`
	Password     string             `json:"password"`
	ParentID     uuid.UUID          `json:"parent_id"`
	ReferredBy   string             `json:"referred_by"`
	ReferralCode string             `json:"referral_code"`
	Category     affiliate.Category `json:"category"`
}

func (a *api) createAffiliate(c *call) (reply, error) {
	in, err := bodyOf[newAffiliate](c)
	if err != nil {
		return reply{}, err
	}
	if in.Password != "" && in.UserID != uuid.Nil {
		return reply{}, fault.Field("password", "is for a new user, and user_id names an existing one")
	}
	var made affiliate.Affiliate
	err = a.withPassword(c, in.Password, func(program *fature.Program) (_ uuid.UUID, err error) {
		made, err = program.Affiliates.Create(c.Context(), affiliate.Draft{
			UserID: in.UserID, Email: in.Email, Name: in.Name, ParentID: in.ParentID,
			ReferredBy: in.ReferredBy, ReferralCode: in.ReferralCode, Category: in.Category,
		})
		return made.UserID, err
	})
	if err != nil {
		return reply{}, err
	}
	body, err := a.affiliateReply(c, made)
	if err != nil {
		return reply{}, err
	}
	return created(body)
}

// affiliate is the one of the path.
func (a *api) affiliate(c *call) (affiliate.Affiliate, error) {
	id, err := c.id()
	if err != nil {
		return affiliate.Affiliate{}, err
	}
	return c.program.Affiliates.Get(c.Context(), id)
}

// answerAffiliate is how an affiliate that was read or changed is answered.
func (a *api) answerAffiliate(c *call, one affiliate.Affiliate, err error) (reply, error) {
	if err != nil {
		return reply{}, err
	}
	body, err := a.affiliateReply(c, one)
	if err != nil {
		return reply{}, err
	}
	return ok(body)
}

func (a *api) getAffiliate(c *call) (reply, error) {
	one, err := a.affiliate(c)
	return a.answerAffiliate(c, one, err)
}

func (a *api) getByCode(c *call) (reply, error) {
	one, err := c.program.Affiliates.GetByCode(c.Context(), c.PathValue("code"))
	return a.answerAffiliate(c, one, err)
}

// listAffiliates reads the currency once for the whole page.
func (a *api) listAffiliates(c *call) (reply, error) {
	q := queryOf(c)
	f := affiliate.Filter{
		Status: affiliate.Status(q.text("status")), Category: affiliate.Category(q.text("category")),
		Level: q.level("level"), Search: q.text("q"),
	}
	f.Limit, f.After = q.page()
	if err := q.done(); err != nil {
		return reply{}, err
	}
	list, err := c.program.Affiliates.List(c.Context(), f)
	if err != nil {
		return reply{}, renamed{err, searchedBy}
	}
	currency, err := c.program.Plans.Currency(c.Context())
	if err != nil {
		return reply{}, err
	}
	return ok(pageOf(list, func(one affiliate.Affiliate) affiliateJSON { return affiliateIn(one, currency) }))
}

// searchedBy is the name in the query of what the library calls a field of the
// filter.
func searchedBy(field string) string {
	if field == "search" {
		return "q"
	}
	return field
}

// changeAffiliate changes what the body has; a code that is given up goes on
// leading to the affiliate.
func (a *api) changeAffiliate(c *call) (reply, error) {
	one, err := a.affiliate(c)
	if err != nil {
		return reply{}, err
	}
	in, err := bodyOf[struct {
		Status       *affiliate.Status   `json:"status"`
		Category     *affiliate.Category `json:"category"`
		ReferralCode *string             `json:"referral_code"`
	}](c)
	if err != nil {
		return reply{}, err
	}
	var check fault.Check
	change := affiliate.Change{Status: changed(&check, "status", in.Status), Category: changed(&check, "category", in.Category)}
	code := changed(&check, "referral_code", in.ReferralCode)
	if err := check.Done(); err != nil {
		return reply{}, err
	}
	err = a.inTx(c.Context(), c.program, func(program *fature.Program) (err error) {
		if change != (affiliate.Change{}) {
			one, err = program.Affiliates.Update(c.Context(), one.ID, change)
		}
		if err == nil && code != "" {
			if one, err = program.Affiliates.ChangeCode(c.Context(), one.ID, code); err != nil {
				return renamed{err, oneField}
			}
		}
		return err
	})
	return a.answerAffiliate(c, one, err)
}

// adjust posts once what is asked twice under one Idempotency-Key.
func (a *api) adjust(c *call) (reply, error) {
	one, err := a.affiliate(c)
	if err != nil {
		return reply{}, err
	}
	in, err := bodyOf[adjustmentBody](c)
	if err != nil {
		return reply{}, err
	}
	sum, err := money.Parse(string(in.Amount))
	if err != nil {
		return reply{}, fault.In("amount", err)
	}
	line, err := c.program.Adjust(c.Context(), commission.Correction{
		AffiliateID: one.ID, Amount: sum, Reason: in.Reason, Key: c.Header.Get("Idempotency-Key"),
	})
	if err != nil {
		return reply{}, err
	}
	return created(lineReply(line))
}

type adjustmentBody struct {
	Amount commission.Decimal `json:"amount"`
	Reason string             `json:"reason"`
}
