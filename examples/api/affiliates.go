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
	return affiliateJSON{
		one.ID, one.UserID, one.ParentID, one.ReferralCode, one.Category, one.Status, one.Level,
		amount(one.LifetimeVolume, currency), amount(one.LifetimeCommissions, currency), one.CreatedAt.UTC(),
	}, err
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
	hash := ""
	if in.Password != "" {
		if in.UserID != uuid.Nil {
			return reply{}, fault.Field("password", "is for a new user, and user_id names an existing one")
		}
		if hash, err = a.program.Sessions.Hash(c.Context(), in.Password); err != nil {
			return reply{}, err
		}
	}
	var made affiliate.Affiliate
	err = a.inTx(c.Context(), c.program, func(program *fature.Program) (err error) {
		made, err = program.Affiliates.Create(c.Context(), affiliate.Draft{
			UserID: in.UserID, Email: in.Email, Name: in.Name, ParentID: in.ParentID,
			ReferredBy: in.ReferredBy, ReferralCode: in.ReferralCode, Category: in.Category,
		})
		if err != nil || hash == "" {
			return err
		}
		return program.Users.SetPassword(c.Context(), made.UserID, hash)
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

func (a *api) getAffiliate(c *call) (reply, error) {
	one, err := a.affiliate(c)
	if err != nil {
		return reply{}, err
	}
	body, err := a.affiliateReply(c, one)
	if err != nil {
		return reply{}, err
	}
	return ok(body)
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
