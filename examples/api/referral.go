package main

import (
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/google/uuid"

	"github.com/fature/fature/affiliate"
	"github.com/fature/fature/affiliate/click"
	"github.com/fature/fature/internal/fault"
)

// away sends a visitor on.
type away struct{ to, visitor string }

// follow records a click and sends the visitor where its link leads, which must
// be one of the hosts that the operator allows: an open redirect would lend this
// site's name to any other. Whether the code is somebody's is found out later,
// when the click is written.
func (a *api) follow(c *call) (reply, error) {
	to, err := a.destination(c.URL.Query().Get("to"))
	if err != nil {
		return reply{}, err
	}
	visitor := a.cookie(c).Read(c.Request)
	if visitor == "" {
		visitor = click.NewVisitor()
	}
	clicked := click.FromRequest(c.Request)
	clicked.Code, clicked.SubID = c.PathValue("code"), c.URL.Query().Get("sub")
	clicked.Visitor, clicked.Landing = visitor, to
	if err := a.clicks.Add(clicked); err != nil {
		a.log.DebugContext(c.Context(), "a click was not taken", "request", entryOf(c.Context()).request, "error", err)
	}
	return reply{status: http.StatusFound, body: away{to, visitor}}, nil
}

func (a *api) cookie(c *call) click.Cookie {
	return click.Cookie{Secure: c.TLS != nil || c.Header.Get("X-Forwarded-Proto") == "https"}
}

// destination is where a link leads; without one the first of the allowed hosts.
// It is written anew, so that a browser reads what was checked.
func (a *api) destination(to string) (string, error) {
	if to == "" && len(a.hosts) > 0 {
		return "https://" + a.hosts[0] + "/", nil
	}
	u, err := url.Parse(to)
	if err != nil || u.Scheme != "http" && u.Scheme != "https" || u.User != nil || !slices.Contains(a.hosts, strings.ToLower(u.Host)) {
		return "", fault.Field("to", "is not a URL of an allowed host")
	}
	return u.String(), nil
}

// hostsOf reads -redirect-hosts.
func hostsOf(list string) (hosts []string) {
	for _, host := range strings.Split(list, ",") {
		if host = strings.ToLower(strings.TrimSpace(host)); host != "" {
			hosts = append(hosts, host)
		}
	}
	return hosts
}

// customerJSON is a customer at its signup. Its e-mail address is not kept: the
// events say it, which tells an affiliate that buys of itself.
type customerJSON struct {
	CustomerID  string    `json:"customer_id"`
	AffiliateID uuid.UUID `json:"affiliate_id"`
	Code        string    `json:"code"`
	Visitor     string    `json:"visitor"`
	Email       string    `json:"email"`
}

type ownerJSON struct {
	CustomerID  string      `json:"customer_id"`
	AffiliateID *uuid.UUID  `json:"affiliate_id"` // null: it is nobody's
	Code        *string     `json:"code"`
	SubID       *string     `json:"sub_id"`
	From        *time.Time  `json:"from"`
	Credited    *claimJSON  `json:"credited"` // with this occasion
	Lost        []claimJSON `json:"lost"`
}

type claimJSON struct {
	By          click.By  `json:"by"`
	AffiliateID uuid.UUID `json:"affiliate_id"`
}

// attributeCustomer gives a customer to whom it is owed, and tells whose it is.
func (a *api) attributeCustomer(c *call) (reply, error) {
	in, err := bodyOf[customerJSON](c)
	if err != nil {
		return reply{}, err
	}
	var credit click.Credit
	if in.AffiliateID != uuid.Nil {
		if in.Visitor != "" {
			return reply{}, fault.Field("visitor", "stands beside affiliate_id: give one of them")
		}
		credit.Claim = click.Claim{By: click.ByGiven, AffiliateID: in.AffiliateID}
		credit.Owner, err = a.program.Customers.Attribute(c.Context(), affiliate.Attribution{
			CustomerID: in.CustomerID, AffiliateID: in.AffiliateID, Code: in.Code,
		})
	} else {
		if in.Code == "" && in.Visitor == "" {
			return reply{}, fault.Field("affiliate_id", "or code or visitor is needed")
		}
		credit, err = a.program.Clicks.Attribute(c.Context(), click.Touch{CustomerID: in.CustomerID, Code: in.Code, Visitor: in.Visitor})
	}
	if err != nil {
		return reply{}, err
	}
	return ok(ownerReply(in.CustomerID, credit))
}

func ownerReply(customerID string, credit click.Credit) ownerJSON {
	out := ownerJSON{CustomerID: customerID, Lost: []claimJSON{}}
	if owner := credit.Owner; owner.AffiliateID != nil {
		from := owner.From.UTC()
		out.AffiliateID, out.Code, out.SubID, out.From = owner.AffiliateID, owner.Code, owner.SubID, &from
	}
	if credit.AffiliateID != uuid.Nil {
		out.Credited = &claimJSON{credit.By, credit.AffiliateID}
	}
	for _, l := range credit.Lost {
		out.Lost = append(out.Lost, claimJSON{l.By, l.AffiliateID})
	}
	return out
}
