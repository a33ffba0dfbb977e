package click_test

import (
	"context"
	"fmt"
	"log"
	"net/http"
	"net/http/httptest"
	"time"

	"github.com/fature/fature"
	"github.com/fature/fature/affiliate"
	"github.com/fature/fature/affiliate/click"
	"github.com/fature/fature/internal/testenv"
)

// A visitor comes by Ana's link, signs up with Bia's coupon, and the programme
// says whose the customer is.
func ExampleStore_Attribute() {
	ctx := context.Background()
	pool, done := testenv.Example() // the test's own database
	defer done()
	program, err := fature.New(ctx, fature.Config{Pool: pool, Attribution: click.Policy{Model: click.LastClick}})
	if err != nil {
		log.Fatal(err)
	}
	ana, err := program.Affiliates.Create(ctx, affiliate.Draft{Name: "Ana", Email: "ana@example.com", ReferralCode: "ANA"})
	if err != nil {
		log.Fatal(err)
	}
	bia, err := program.Affiliates.Create(ctx, affiliate.Draft{Name: "Bia", Email: "bia@example.com", ReferralCode: "BIA"})
	if err != nil {
		log.Fatal(err)
	}
	if _, err := program.Affiliates.AddCoupon(ctx, bia.ID, "SUMMER10"); err != nil {
		log.Fatal(err)
	}
	names := map[any]string{ana.ID: "Ana", bia.ID: "Bia"}

	visitor, agent := click.NewVisitor(), "Mozilla/5.0 (Windows NT 10.0) Firefox/140.0"
	marks, err := program.Clicks.Record(ctx,
		click.Click{Code: "ana", Visitor: visitor, SubID: "newsletter", UserAgent: agent},
		click.Click{Code: "ana", Visitor: visitor, SubID: "newsletter", UserAgent: agent}, // a double click
		click.Click{Code: "ana", UserAgent: "Googlebot/2.1"})
	if err != nil {
		log.Fatal(err)
	}
	fmt.Printf("marks: %q %q %q\n", marks[0].Mark, marks[1].Mark, marks[2].Mark)

	for _, touch := range []click.Touch{
		{CustomerID: "carla", Visitor: visitor},
		{CustomerID: "dora", Visitor: visitor, Code: "summer10"},
		{CustomerID: "edu"},
	} {
		credit, err := program.Clicks.Attribute(ctx, touch)
		if err != nil {
			log.Fatal(err)
		}
		fmt.Printf("%s: %q by %q, %d lost\n", touch.CustomerID, names[credit.AffiliateID], credit.By, len(credit.Lost))
	}
	figures, err := program.Clicks.Figures(ctx, ana.ID, time.Now().Add(-time.Hour), time.Now().Add(time.Hour))
	if err != nil {
		log.Fatal(err)
	}
	for _, f := range figures {
		fmt.Printf("%s/%s: %d clicks of %d visitors, %d bots, %d duplicates, %d customers, rate %s\n",
			f.Code, f.SubID, f.Clicks, f.Visitors, f.Bots, f.Duplicates, f.Customers, f.Rate().StringFixed(click.RatePlaces))
	}
	// Output:
	// marks: "" "duplicate" "bot"
	// carla: "Ana" by "click", 0 lost
	// dora: "Bia" by "coupon", 1 lost
	// edu: "" by "", 0 lost
	// ANA/: 0 clicks of 0 visitors, 1 bots, 0 duplicates, 0 customers, rate 0.0000
	// ANA/newsletter: 1 clicks of 1 visitors, 0 bots, 1 duplicates, 1 customers, rate 1.0000
}

// A handler hands its click to a recorder, which writes it later, and goes on.
func ExampleRecorder() {
	pool, done := testenv.Example() // the test's own database
	defer done()
	ctx, cancel := context.WithCancel(context.Background())
	program, err := fature.New(ctx, fature.Config{Pool: pool})
	if err != nil {
		log.Fatal(err)
	}
	if _, err := program.Affiliates.Create(ctx, affiliate.Draft{Name: "Ana", Email: "ana@example.com", ReferralCode: "ANA"}); err != nil {
		log.Fatal(err)
	}
	recorder, err := click.NewRecorder(program.Clicks, click.RecorderOptions{})
	if err != nil {
		log.Fatal(err)
	}
	ended := make(chan error)
	go func() { ended <- recorder.Run(ctx) }() // beside program.Run, until the program ends

	cookie := click.Cookie{Secure: true}
	handler := func(w http.ResponseWriter, r *http.Request) {
		c := click.FromRequest(r)
		c.Code, c.SubID, c.Visitor = r.PathValue("code"), r.URL.Query().Get("sub"), cookie.Visitor(w, r)
		_ = recorder.Add(c) // counted where it fails; the visitor goes on
		http.Redirect(w, r, "https://shop.example/", http.StatusFound)
	}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /r/{code}", handler)
	request := httptest.NewRequest(http.MethodGet, "/r/ana?sub=june", nil)
	request.Header.Set("User-Agent", "Mozilla/5.0 (Windows NT 10.0) Firefox/140.0")
	answer := httptest.NewRecorder()
	mux.ServeHTTP(answer, request)
	fmt.Println(answer.Code, answer.Header().Get("Location"))

	cancel() // what is queued is written before Run returns
	fmt.Println(<-ended, recorder.Counts().Written)
	// Output:
	// 302 https://shop.example/
	// <nil> 1
}
