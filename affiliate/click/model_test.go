package click_test

import (
	"fmt"
	"math/rand/v2"
	"os"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"github.com/fature/fature/affiliate"
	"github.com/fature/fature/affiliate/click"
)

// plain is the rules of clicks as one would tell them, over lists.
type plain struct {
	policy click.Policy
	near   time.Duration
	kept   []plainClick // that count, in the order in which they were written
	owners map[string]uuid.UUID
}

type plainClick struct {
	visitor string
	of      affiliate.Affiliate
	sub     string
	at      time.Time
}

func (p *plain) record(c plainClick) (mark click.Mark) {
	for _, k := range p.kept {
		if k.visitor == c.visitor && k.of.ID == c.of.ID && k.sub == c.sub && k.at.Sub(c.at).Abs() < p.near {
			return click.Duplicate
		}
	}
	p.kept = append(p.kept, c)
	return ""
}

func (p *plain) hit(visitor string, at time.Time) (found plainClick, ok bool) {
	for _, k := range p.kept {
		if k.visitor != visitor || at.Before(k.at) || !at.Before(k.at.Add(p.policy.Window)) {
			continue
		}
		switch {
		case !ok, p.policy.Model == click.FirstClick && k.at.Before(found.at), p.policy.Model != click.FirstClick && !k.at.Before(found.at):
			found, ok = k, true
		}
	}
	return found, ok
}

// Clicks and touches at random, often at the very bounds of windows, come to
// what the plain rules say.
func TestAgainstPlainRules(t *testing.T) {
	t.Parallel()
	rounds := 2
	if os.Getenv("FATURE_LONG") != "" {
		rounds = 100
	}
	for round := range rounds {
		seed := uint64(time.Now().UnixNano()) + uint64(round)
		random := rand.New(rand.NewPCG(seed, 1))
		pick := func(from ...time.Duration) time.Duration { return from[random.IntN(len(from))] }
		policy := click.Policy{
			Model: []click.Model{click.FirstClick, click.LastClick}[round%2], Window: pick(time.Minute, time.Hour),
			Lifetime: []click.Lifetime{click.Yields, click.Holds}[random.IntN(2)],
		}
		w := shared(t, policy)
		p := &plain{policy: policy, near: click.DefaultDuplicateWithin, owners: map[string]uuid.UUID{}}
		when := func() time.Time {
			at := noon.Add(-time.Duration(random.IntN(8)) * pick(p.near, policy.Window, policy.Window/2, time.Second))
			return at.Add(pick(-us, 0, 0, us))
		}
		for step := range 100 {
			visitor := fmt.Sprint("v", random.IntN(3))
			if random.IntN(3) > 0 {
				c := plainClick{visitor, []affiliate.Affiliate{w.ana, w.bia}[random.IntN(2)], []string{"", "june"}[random.IntN(2)], when()}
				click := w.by(visitor, c.of, c.at)
				click.SubID = c.sub
				got, err := w.clicks.Record(t.Context(), click)
				require.NoError(t, err)
				require.Equal(t, p.record(c), got[0].Mark, "seed %d, step %d: %v", seed, step, c)
				continue
			}
			// Owners begin at a time too: a customer of its own for each.
			touch := w.touch(fmt.Sprint("c", random.IntN(20)), visitor, when())
			touch.CustomerID += touch.At.Format("150405.000000")
			credit, err := w.clicks.Attribute(t.Context(), touch)
			require.NoError(t, err)
			hit, ok := p.hit(visitor, touch.At)
			owner, owned := p.owners[touch.CustomerID]
			want := click.Claim{}
			switch {
			case owned && (policy.Lifetime == click.Holds || !ok):
				want = click.Claim{By: click.ByLifetime, AffiliateID: owner}
			case ok:
				want = click.Claim{By: click.ByClick, AffiliateID: hit.of.ID}
			}
			require.Equal(t, want, credit.Claim, "seed %d, step %d, %v", seed, step, touch)
			if ok {
				require.Equal(t, hit.sub, credit.Click.SubID, "seed %d, step %d", seed, step)
				require.Equal(t, hit.at, credit.Click.At, "seed %d, step %d", seed, step)
			}
			if !owned && ok {
				p.owners[touch.CustomerID] = hit.of.ID
			}
		}
	}
}
