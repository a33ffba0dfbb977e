package commission

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/shopspring/decimal"

	"github.com/fature/fature/internal/pg"
	"github.com/fature/fature/internal/verify"
)

// Checks are the invariants of plans, lines, statements and payouts.
func Checks() []verify.Check { return slices.Concat(lineChecks(), statementChecks(), payoutChecks()) }

func lineChecks() []verify.Check {
	return []verify.Check{
		{Name: "A1", Meaning: "all plans are in one currency", SQL: `
			select id from fature.commission_plans
			where currency <> (select currency from fature.commission_plans order by published_at, id limit 1)`},
		{Name: "C1", Meaning: "an event earns one line by a rule at a level", SQL: `
			select transaction_id from fature.commissions where kind = 'earning' and transaction_id is not null
			group by transaction_id, rule, level having count(*) > 1`},
		{Name: "C2", Meaning: "a line has its transaction, which was processed, in its currency and month", SQL: `
			select c.id from fature.commissions c
			left join fature.transactions t on (t.id, t.created_at) = (c.transaction_id, c.transaction_at)
			where c.transaction_id is not null and (t.id is null or t.status not in ('processed', 'reversed')
				or t.currency <> c.currency or c.created_at <> t.created_at)`},
		{Name: "C3", Meaning: "the lines of an event go up its upline, nearest first, unless that changed since", SQL: `
			select c.id from fature.commissions c
			join fature.transactions t on (t.id, t.created_at) = (c.transaction_id, c.transaction_at)
			left join fature.affiliate_hierarchy h on (h.ancestor_id, h.descendant_id) = (c.affiliate_id, t.affiliate_id)
			where c.kind = 'earning'
				and (h.level_difference is null or h.level_difference < c.level or (c.level = 0) <> (c.affiliate_id = t.affiliate_id))
				and not exists (
					select from fature.affiliate_history m
					join fature.affiliate_hierarchy p on p.ancestor_id = m.affiliate_id
					where p.descendant_id = t.affiliate_id and m.at > t.rated_at)`},
		{Name: "C4", Meaning: "a line pays no more than it earned, and a reversal goes against its line", SQL: `
			select id from fature.commissions where abs(final_amount) > abs(amount) and kind <> 'reversal' or final_amount * amount < 0
			union all
			select r.id from fature.commissions r
			join fature.commissions e on (e.id, e.created_at) = (r.reverses_id, r.reverses_at)
			where sign(r.final_amount) = sign(e.final_amount)`},
		{Name: "C5", Meaning: "a line and its reversals never cross zero, and come to it where all is taken back", SQL: `
			select e.id from fature.commissions e
			left join fature.commissions r on (r.reverses_id, r.reverses_at) = (e.id, e.created_at) and r.status <> 'void'
			left join fature.transactions t on (t.id, t.created_at) = (e.transaction_id, e.transaction_at)
			where e.kind = 'earning' and e.status <> 'void' and (r.id is not null or t.status = 'reversed')
			group by e.id, e.created_at, e.final_amount, t.status
			having e.final_amount * (e.final_amount + coalesce(sum(r.final_amount), 0)) < 0
				or t.status = 'reversed' and e.final_amount + coalesce(sum(r.final_amount), 0) <> 0`},
		{Name: "C6", Meaning: "a reversal takes from the same affiliate, rule and level, and never a reversal back", SQL: `
			select r.id from fature.commissions r
			left join fature.commissions e on (e.id, e.created_at) = (r.reverses_id, r.reverses_at)
			where r.kind = 'reversal' and (e.kind is distinct from 'earning'
				or (e.affiliate_id, e.rule, e.level, e.currency) is distinct from (r.affiliate_id, r.rule, r.level, r.currency))`},
	}
}

func statementChecks() []verify.Check {
	return []verify.Check{
		{Name: "S1", Meaning: "a statement opens with what the one before it carried", SQL: `
			select id from (
				select s.id, opening, lag(closing, 1, 0) over (partition by affiliate_id, plan, rule, split order by seq) as carried
				from fature.statements s) s
			where opening <> carried`},
		{Name: "S2", Meaning: "a statement pays its affiliate what is payable, or that is breakage", SQL: `
			select s.id from fature.statements s
			left join fature.commissions c on c.statement_id = s.id and c.created_at = s.period_end and c.level = 0 and c.kind = 'earning'
			left join lateral (
				select sum(coalesce((x->>'breakage')::numeric, 0) + coalesce((x->>'capped')::numeric, 0)) as amount
				from jsonb_array_elements(s.skipped) x where (x->>'level')::int = 0) lost on true
			where s.payable <> coalesce(c.amount, 0) + coalesce(lost.amount, 0) or c.affiliate_id <> s.affiliate_id`},
		{Name: "S3", Meaning: "a statement's lines are one for each level, of its end, its plan and what it says is their base", SQL: `
			select c.id from fature.commissions c left join fature.statements s on s.id = c.statement_id
			where c.statement_id is not null and (s.id is null or c.created_at <> s.period_end
				or (c.plan_id, c.rule, c.currency) is distinct from (s.plan_id, s.rule, s.currency)
				or c.level > 0 and c.base_amount <> case c.calculation->>'of' when 'commission' then s.payable
					else greatest(s.base + case when s.footing->>'opening_of' = 'base' then s.opening else 0 end, 0) end)
			union all
			select statement_id from fature.commissions
			where statement_id is not null and kind = 'earning' group by statement_id, level having count(*) > 1`},
		{Name: "S4", Meaning: "the closes of a plan follow on each other, each of them done before the next", SQL: `
			select id from (
				select c.*, lag(period_end) over w as ended, lag(seq, 1, 0) over w as counted, lead(id) over w as next
				from fature.closings c window w as (partition by plan, period order by period_start)) c
			where period_start <> ended or late_seq <> counted or next is not null and closed_at is null`},
	}
}

func payoutChecks() []verify.Check {
	return []verify.Check{
		{Name: "P1", Meaning: "a payout is the sum of its lines, and counts them", SQL: `
			select p.id from fature.payouts p
			left join (
				select payout_id, sum(final_amount) as amount, count(*) as lines
				from fature.commissions where payout_id is not null group by payout_id) l on l.payout_id = p.id
			where p.status not in ('failed', 'cancelled') and (p.amount, p.lines) is distinct from (l.amount, l.lines)`},
		{Name: "P2", Meaning: "a line is in a payout of its affiliate and currency that has not failed or been cancelled", SQL: `
			select c.id from fature.commissions c left join fature.payouts p on p.id = c.payout_id
			where c.payout_id is not null and (p.id is null or p.status in ('failed', 'cancelled')
				or (p.affiliate_id, p.currency) is distinct from (c.affiliate_id, c.currency) or c.status not in ('approved', 'paid'))`},
		{Name: "P3", Meaning: "a line is paid where its payout is, and only there", SQL: `
			select c.id from fature.commissions c left join fature.payouts p on p.id = c.payout_id
			where (c.status = 'paid') <> coalesce(p.status = 'paid', false)`},
		{Name: "P4", Meaning: "a payout pays something, and has the times of its state", SQL: `
			select id from fature.payouts
			where amount <= 0 or amount = 'NaN' or lines <= 0
				or (approved_at is null) <> (status = 'created' or status = 'cancelled' and approved_at is null)
				or (sent_at is null) <> (status in ('created', 'approved', 'cancelled') or status = 'failed' and sent_at is null)
				or (paid_at is not null) <> (status = 'paid')
				or (ended_at is not null) <> (status in ('failed', 'cancelled'))
				or status in ('failed', 'cancelled') and reason is null`},
	}
}

// Misfit is a posted line that its own calculation does not give.
type Misfit struct {
	ID      uuid.UUID
	Problem string
}

// Recompute evaluates every line of a transaction again from its stored
// calculation, and returns those that it does not give. It streams: memory does not grow
// with the lines.
func (s *Store) Recompute(ctx context.Context) ([]Misfit, error) {
	rows, err := s.db.Query(ctx, selectCalculations)
	if err != nil {
		return nil, fail("recompute", err)
	}
	var misfits []Misfit
	var id uuid.UUID
	var amount, final decimal.Decimal
	var stored []byte
	_, err = pgx.ForEachRow(rows, []any{&id, &amount, &final, &stored}, func() error {
		if problem := misfit(stored, amount, final); problem != "" {
			misfits = append(misfits, Misfit{id, problem})
		}
		return nil
	})
	return misfits, fail("recompute", err)
}

// misfit says why a stored calculation does not give the line, or nothing.
func misfit(stored []byte, amount, final decimal.Decimal) string {
	var c Calculation
	if err := json.Unmarshal(stored, &c); err != nil {
		return err.Error()
	}
	again, capped, err := c.Recompute()
	switch {
	case err != nil:
		return err.Error()
	case !again.Equal(amount) || !capped.Equal(final):
		return fmt.Sprintf("the calculation gives %s, after caps %s", again, capped)
	}
	return ""
}

// On is WithTx for a transaction of fature's own.
func (s *Store) On(db pg.DB) *Store { return &Store{db: db} }
