package transaction_test

import (
	"encoding/hex"
	"encoding/json"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/shopspring/decimal"
	"github.com/stretchr/testify/require"

	"github.com/fature/fature/transaction"
)

// The digests of all that was ever recorded are compared with new ones: should
// this one change, a new version must lead it and the old be kept.
func TestDigestNeverChanges(t *testing.T) {
	t.Parallel()
	e := whole()
	const want = "01964943e9274a27300436bad7879adcfe8a5d0e10868e65c7dad81527a06b73a2"
	require.Equal(t, want, hex.EncodeToString(e.Digest(e.At)))
	const untimed = "01d18572acae07a46a4b133cd08bc2622a640a5944a43e8af89219da5094bc3ae9"
	require.Equal(t, untimed, hex.EncodeToString(event{Type: transaction.Signup, Currency: "BRL", Code: "ANA"}.Digest(time.Time{})))
	reversal := event{Type: transaction.Chargeback, Amount: decimal.New(5, 0), Currency: "BRL", Reverses: e.AffiliateID}
	const reversing = "01db0f33a81200e3e3378068bc29a9a409ee71af5b948b2fc17d3b8b7e4014cd4d"
	require.Equal(t, reversing, hex.EncodeToString(reversal.Digest(now)))
	visit := event{Type: transaction.Signup, Currency: "BRL", Visitor: "visitor-of-sixteen"}
	const visiting = "01bbb728b7202c55058c340ecf0ac2e4cf2caa19fb3075955518256126ff604853"
	require.Equal(t, visiting, hex.EncodeToString(visit.Digest(time.Time{})))
}

// The same event told in other words is the same event.
func TestDigestIsOfTheContent(t *testing.T) {
	t.Parallel()
	e := whole()
	want := e.Digest(e.At)
	for name, change := range map[string]func(e *event) time.Time{
		"12.5":              func(e *event) time.Time { e.Amount = decimal.RequireFromString("12.5"); return e.At },
		"12.5000":           func(e *event) time.Time { e.Amount = decimal.RequireFromString("12.5000"); return e.At },
		"1250e-2":           func(e *event) time.Time { e.Amount = decimal.New(1250, -2); return e.At },
		"another zone":      func(e *event) time.Time { return e.At.In(time.FixedZone("", -3*3600)) },
		"nanoseconds":       func(e *event) time.Time { return e.At.Add(999) },
		"other order":       func(e *event) time.Time { e.Metadata = reread(t, e.Metadata); return e.At },
		"where it resolved": func(e *event) time.Time { e.At = e.At.Add(time.Hour); return now }, // the time as it was given counts
		"the key is apart":  func(e *event) time.Time { e.SourceTable, e.OriginalID = "other", "1"; return e.At },
		"to be rated later": func(e *event) time.Time { e.Pending = true; return e.At },
	} {
		same := whole()
		require.Equal(t, want, same.Digest(change(&same)), name)
	}
	ten, hundred := event{Amount: decimal.New(1, 1)}, event{Amount: decimal.RequireFromString("10.00")}
	require.Equal(t, ten.Digest(now), hundred.Digest(now))
}

// reread is m as another process reads it from JSON.
func reread(t *testing.T, m map[string]any) (again map[string]any) {
	t.Helper()
	text, err := json.Marshal(m)
	require.NoError(t, err)
	require.NoError(t, json.Unmarshal(text, &again))
	return again
}

func TestDigestTellsEachField(t *testing.T) {
	t.Parallel()
	seen := map[string]string{}
	for name, change := range map[string]func(e *event) time.Time{
		"nothing":          func(e *event) time.Time { return e.At },
		"type":             func(e *event) time.Time { e.Type = transaction.Deposit; return e.At },
		"amount":           func(e *event) time.Time { e.Amount = decimal.RequireFromString("12.51"); return e.At },
		"a hundred times":  func(e *event) time.Time { e.Amount = decimal.RequireFromString("1250"); return e.At },
		"currency":         func(e *event) time.Time { e.Currency = "USD"; return e.At },
		"affiliate":        func(e *event) time.Time { e.AffiliateID = uuid.Nil; return e.At },
		"code":             func(e *event) time.Time { e.Code = ""; return e.At },
		"customer":         func(e *event) time.Time { e.CustomerID = ""; return e.At },
		"code as customer": func(e *event) time.Time { e.Code, e.CustomerID = "", "ANA"+"c-1"; return e.At },
		"visitor":          func(e *event) time.Time { e.Visitor = "visitor-of-sixteen"; return e.At },
		"one from another": func(e *event) time.Time { e.Code, e.CustomerID = "ANAc", "-1"; return e.At },
		"time":             func(e *event) time.Time { return e.At.Add(time.Microsecond) },
		"no time":          func(e *event) time.Time { return time.Time{} },
		"reverses":         func(e *event) time.Time { e.Reverses = e.AffiliateID; return e.At },
		"no metadata":      func(e *event) time.Time { e.Metadata = nil; return e.At },
		"a metadata value": func(e *event) time.Time { e.Metadata["brand"] = "y"; return e.At },
		"a metadata type":  func(e *event) time.Time { e.Metadata["items"] = "3"; return e.At },
		"a metadata key":   func(e *event) time.Time { e.Metadata["brands"] = "x"; return e.At },
	} {
		e := whole()
		digest := hex.EncodeToString(e.Digest(change(&e)))
		require.NotContains(t, seen, digest, name)
		seen[digest] = name
	}
}

// Differs names what a repetition got wrong, the first of it.
func TestDiffers(t *testing.T) {
	t.Parallel()
	e := whole()
	stored := transaction.Transaction{
		AffiliateID: e.AffiliateID, CustomerID: e.CustomerID, Type: e.Type, Amount: e.Amount, Currency: e.Currency,
		CreatedAt: e.At, SourceTable: e.SourceTable, OriginalID: e.OriginalID, Metadata: reread(t, e.Metadata),
	}
	back := stored.Event()
	require.Equal(t, e.AffiliateID, back.AffiliateID)
	require.Equal(t, e.Key(), back.Key())
	require.Empty(t, back.Code, "a transaction knows whom the code led to, not the code")
	for field, change := range map[string]func(e *event){
		"type":         func(e *event) { e.Type, e.Amount = transaction.Bet, decimal.Zero },
		"amount":       func(e *event) { e.Amount = decimal.Zero },
		"currency":     func(e *event) { e.Currency = "USD" },
		"customer_id":  func(e *event) { e.CustomerID = "c-2" },
		"at":           func(e *event) { e.At = e.At.Add(1000) },
		"metadata":     func(e *event) { e.Metadata["brand"] = "y" },
		"affiliate_id": func(e *event) { e.AffiliateID = uuid.New() },
		"code":         func(e *event) { e.AffiliateID = uuid.Nil },
	} {
		other := whole()
		change(&other)
		require.Equal(t, field, stored.Differs(other))
	}
}
