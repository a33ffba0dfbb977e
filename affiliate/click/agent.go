package click

import "strings"

// robots are what the user agents of programs say of themselves, in small
// letters. It is not a defence: who hides is not among them.
var robots = []string{
	"bot", "crawl", "spider", "slurp", "scrap", "headless", "phantomjs", "selenium", "lighthouse", "pagespeed",
	"preview", "facebookexternalhit", "whatsapp/", "embedly", "mediapartners", "archiver", "pingdom", "uptime",
	"curl/", "wget/", "libwww", "httpclient", "http-client", "python-", "python/", "java/", "axios/", "node-fetch",
	"okhttp/", "postmanruntime", "ruby", "perl",
}

// agentOf classes a user agent, and tells whether it is a program's.
func agentOf(agent string) (class string, bot bool) {
	agent = strings.ToLower(strings.TrimSpace(agent))
	has := func(s string) bool { return strings.Contains(agent, s) }
	if agent == "" || isRobot(agent) {
		return "bot", true
	}
	switch {
	case has("ipad"), has("tablet"), has("android") && !has("mobile"):
		return "tablet", false
	case has("mobi"), has("iphone"), has("android"):
		return "mobile", false
	case has("windows"), has("macintosh"), has("x11"), has("cros"):
		return "desktop", false
	}
	return "other", false
}

func isRobot(agent string) bool {
	agent = strings.ReplaceAll(agent, "cubot", "") // makes telephones
	for _, token := range robots {
		if strings.Contains(agent, token) {
			return true
		}
	}
	return false
}
