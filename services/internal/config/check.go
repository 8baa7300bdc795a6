package config

import (
	"encoding/hex"
	"fmt"
	"maps"
	"net"
	"net/netip"
	"net/url"
	stdpath "path"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"
)

// checker collects what cannot work, with the line of the path or of what it would stand in.
type checker struct {
	lines    map[string]int
	problems []Problem
	sites    map[string]Site
}

func (k *checker) add(path, format string, args ...any) {
	line := 0
	for at := path; at != "" && line == 0; at = at[:max(strings.LastIndexAny(at, ".["), 0)] {
		line = k.lines[at]
	}
	k.problems = append(k.problems, Problem{Line: line, Path: path, What: fmt.Sprintf(format, args...)})
}

// check finds every problem with what the values mean.
func (c Config) check(lines map[string]int) []Problem {
	k := &checker{lines: lines, sites: c.Sites}
	k.bus(c.Bus)
	k.given("dataDir", c.DataDir)
	k.oneOf("azure.cloud", c.Azure.Cloud, "public", "usgov", "china")
	if c.Azure.Endpoint != "" {
		k.url("azure.endpoint", c.Azure.Endpoint, "https")
	}
	if len(c.Sites) == 0 {
		k.add("sites", "name at least one site")
	}
	for _, name := range c.SiteNames() {
		k.site("sites."+name, c.Sites[name])
	}
	names := map[string]bool{}
	for i, n := range c.Notify {
		path := fmt.Sprintf("notify[%d]", i)
		k.notify(path, n)
		if names[n.Name] {
			k.add(path+".name", "another channel has this name")
		}
		names[n.Name] = true
	}
	k.http(c.HTTP)
	if c.Journal.Listen != "" {
		k.address("journal.listen", c.Journal.Listen)
	}
	if c.Journal.URL != "" {
		k.url("journal.url", c.Journal.URL, "http", "https")
	}
	slices.SortStableFunc(k.problems, func(a, b Problem) int { return a.Line - b.Line })
	return k.problems
}

func (k *checker) bus(b Bus) {
	if b.NATS != nil && b.ServiceBus != nil {
		k.add("bus", "name one bus, nats or serviceBus; neither means JetStream inside the process")
	}
	if n := b.NATS; n != nil {
		k.nats(n)
	}
	if s := b.ServiceBus; s != nil {
		k.onlyOne("bus.serviceBus", map[string]string{
			"namespace": s.Namespace, "connectionStringFile": s.ConnectionStringFile, "connectionString": s.ConnectionStringEnv})
		if s.Namespace != "" && !hostName.MatchString(s.Namespace) {
			k.add("bus.serviceBus.namespace", "must be the host name alone, such as contoso.servicebus.windows.net")
		}
		if s.Proxy != "" && !envName.MatchString(s.Proxy) {
			k.url("bus.serviceBus.proxy", s.Proxy, "http", "https")
		}
		if s.Proxy != "" && !s.WebSockets {
			k.add("bus.serviceBus.proxy", "takes AMQP through WebSockets only: set webSockets to true, too")
		}
	}
}

func (k *checker) nats(n *NATS) {
	if n.URL == "" {
		k.add("bus.nats.url", "is missing: give it as nats://host:4222")
	}
	for server := range strings.SplitSeq(n.URL, ",") {
		if n.URL != "" {
			k.url("bus.nats.url", strings.TrimSpace(server), "nats", "tls", "ws", "wss")
		}
	}
	password := n.PasswordFile != "" || n.PasswordEnv != ""
	switch {
	case n.CredsFile != "" && (n.User != "" || password):
		k.add("bus.nats", "use credsFile, or user with its password, not both")
	case n.User != "" && !password:
		k.add("bus.nats.user", "needs passwordFile")
	case n.User == "" && password:
		k.add("bus.nats", "has a password, but no user")
	}
	if n.PasswordFile != "" && n.PasswordEnv != "" {
		k.add("bus.nats.password", "use either passwordFile or password: env:NAME")
	}
	if n.Replicas != 1 && n.Replicas != 3 && n.Replicas != 5 {
		k.add("bus.nats.replicas", "must be 1, 3 or 5: an even number tolerates no more failures than one less")
	}
}

func (k *checker) site(path string, s Site) {
	if k.given(path+".vault.subscription", s.Vault.Subscription) && strings.ContainsAny(s.Vault.Subscription, " /\t") {
		k.add(path+".vault.subscription", "must be the id of the subscription, such as 00000000-0000-0000-0000-000000000000, and not its name")
	}
	k.given(path+".vault.resourceGroup", s.Vault.ResourceGroup)
	k.given(path+".vault.name", s.Vault.Name)
	for key, paths := range map[string]map[string]string{"masterTargets": s.MasterTargets, "appliances": s.Appliances} {
		for _, name := range slices.Sorted(maps.Keys(paths)) {
			if !strings.HasPrefix(paths[name], "/") {
				k.add(path+"."+key+"."+name, "must be the inventory path of its VM, such as /DC-TOKYO/vm/asr/%s", name)
			}
		}
	}

	vcenter := path + ".vcenter"
	if k.given(vcenter+".url", s.VCenter.URL) {
		k.url(vcenter+".url", s.VCenter.URL, "https")
	}
	k.given(vcenter+".username", s.VCenter.Username)
	if proxy := s.VCenter.Proxy; proxy != "" && proxy != "none" {
		k.url(vcenter+".proxy", proxy, "http", "https")
	}
	k.onlyOne(vcenter, map[string]string{"passwordFile": s.VCenter.PasswordFile, "password": s.VCenter.PasswordEnv})
	if digest, err := hex.DecodeString(strings.ReplaceAll(s.VCenter.Thumbprint, ":", "")); err != nil || !slices.Contains([]int{0, 20, 32}, len(digest)) {
		k.add(vcenter+".thumbprint", "must be a SHA-1 or SHA-256 digest in hex, with or without colons: 40 or 64 digits")
	}

	k.given(path+".defaults.datastore", s.Defaults.Datastore)
	if address := s.ConfigurationServerAddress; address != "" {
		if _, err := netip.ParseAddr(address); err != nil {
			k.add(path+".configurationServerAddress", "must be an IP address, such as 10.0.0.4: a name would follow the server to a new address")
		}
	}
	if s.Network.Path != "" {
		k.oneOf(path+".network.path", s.Network.Path, "vpn", "expressroute")
	}
	for i, p := range s.Network.Probes {
		probe := fmt.Sprintf("%s.network.probes[%d]", path, i)
		k.given(probe+".name", p.Name)
		k.address(probe+".address", p.Address)
	}
	k.limits(path+".limits", s.Limits)
}

func (k *checker) limits(path string, l Limits) {
	if l.Look <= 0 {
		k.add(path+".look", "must be more than nothing")
	}
	if l.AgentWait <= l.Look {
		k.add(path+".agentWait", "must be longer than look (%v), or no look would come before the wait is over", l.Look)
	}
	if l.JobWait <= l.Look {
		k.add(path+".jobWait", "must be longer than look (%v), or no look would come before the wait is over", l.Look)
	}
	if l.StartsPerMinute <= 0 {
		k.add(path+".startsPerMinute", "must be at least 1")
	}
	if l.Concurrent <= 0 {
		k.add(path+".concurrent", "must be at least 1")
	}
}

func (k *checker) notify(path string, n Notify) {
	k.given(path+".name", n.Name)
	k.oneOf(path+".kind", n.Kind, KindTeams, KindSlack, KindWebhook, KindEmail, KindPagerDuty, KindBus)
	switch {
	case n.Kind != KindBus:
		k.onlyOne(path, map[string]string{"urlFile": n.URLFile, "url": n.URLEnv})
	case n.URLFile != "" || n.URLEnv != "":
		k.add(path, "the bus is that of this config: it has no address here")
	}
	if n.SecretFile != "" && n.SecretEnv != "" {
		k.add(path+".secret", "use either secretFile or secret: env:NAME")
	}
	if n.Kind != KindWebhook && (n.SecretFile != "" || n.SecretEnv != "") {
		k.add(path, "only a webhook is signed: it alone has a secret")
	}
	if n.Kind != KindSlack && n.Channel != "" {
		k.add(path+".channel", "only slack has a channel")
	}
	k.oneOf(path+".detail", n.Detail, DetailStory, DetailMachine)
	if n.Digest < time.Second {
		k.add(path+".digest", "must be at least 1s")
	}
	if n.Stale < time.Minute {
		k.add(path+".stale", "must be at least 1m")
	}
	if _, _, _, err := n.QuietHours(); err != nil {
		k.add(path+".quiet", "%v", err)
	}
	for i, pattern := range n.Route.Machines {
		if _, err := stdpath.Match(pattern, ""); err != nil {
			k.add(fmt.Sprintf("%s.route.machines[%d]", path, i), "is no pattern: write web* for all names that begin so")
		}
	}
	for i, site := range n.Route.Sites {
		if _, known := k.sites[site]; !known {
			k.add(fmt.Sprintf("%s.route.sites[%d]", path, i), "the config has no such site")
		}
	}
	if len(n.Levels) == 0 {
		k.add(path+".levels", "the list is empty, nothing would be sent: leave it out for warning and critical")
	}
	for i, level := range n.Levels {
		k.oneOf(fmt.Sprintf("%s.levels[%d]", path, i), level, "info", "warning", "critical")
	}
	k.oneOf(path+".lang", n.Lang, "en", "ja")
}

func (k *checker) http(h HTTP) {
	k.address("http.listen", h.Listen)
	if h.PublicURL != "" {
		k.url("http.publicURL", h.PublicURL, "https", "http")
		if u, err := url.Parse(h.PublicURL); err == nil && (strings.Trim(u.Path, "/") != "" || u.RawQuery != "" || u.Fragment != "") {
			k.add("http.publicURL", "must be the address alone, such as https://reprotect.example.com: the console has the whole of it")
		}
	}
	if h.Auth == nil {
		return
	}
	proxy := ""
	if h.Auth.Proxy != nil {
		proxy = "given"
	}
	k.onlyOne("http.auth", map[string]string{"tokenFile": h.Auth.TokenFile, "proxy": proxy})
	if !h.OnLoopback() && h.PublicURL == "" {
		k.add("http.auth", "needs http.publicURL where http.listen is not on loopback: a browser's request that names another host is refused")
	}
	if p := h.Auth.Proxy; p != nil {
		k.proxy("http.auth.proxy", *p)
	}
}

func (k *checker) proxy(path string, p Proxy) {
	k.given(path+".userHeader", p.UserHeader)
	if len(p.From) == 0 {
		k.add(path+".from", "is missing: name the networks of the proxy, such as 10.0.0.0/8, or anybody could say to be anybody")
	}
	for i, network := range p.From {
		if _, err := netip.ParsePrefix(network); err != nil {
			k.add(fmt.Sprintf("%s.from[%d]", path, i), "must be a network such as 10.0.0.0/8, or 10.0.0.4/32 for one address")
		}
	}
	if len(p.Operators) == 0 && len(p.Approvers) == 0 {
		k.add(path+".operators", "is missing: name the groups whose members act")
	}
	if p.GroupsHeader == "" {
		k.add(path+".groupsHeader", "is missing: the groups of operators are found there")
	}
}

func (k *checker) given(path, value string) bool {
	if value == "" {
		k.add(path, "is missing")
	}
	return value != ""
}

func (k *checker) oneOf(path, value string, choices ...string) {
	if !slices.Contains(choices, value) {
		k.add(path, "must be one of %s", strings.Join(choices, ", "))
	}
}

// onlyOne wants exactly one of some keys to have a value.
func (k *checker) onlyOne(path string, values map[string]string) {
	var keys []string
	given := 0
	for key, value := range values {
		keys = append(keys, key)
		if value != "" {
			given++
		}
	}
	if given != 1 {
		slices.Sort(keys)
		k.add(path, "needs exactly one of %s", strings.Join(keys, ", "))
	}
}

// url never shows the address: it may hold a password.
func (k *checker) url(path, address string, schemes ...string) {
	u, err := url.Parse(address)
	switch {
	case err != nil || u.Hostname() == "" || !slices.Contains(schemes, u.Scheme):
		k.add(path, "must be an address such as %s://host", schemes[0])
	case u.User != nil:
		k.add(path, "must not hold a user or a password: a secret must not stand in this file; use the keys for them")
	}
}

func (k *checker) address(path, address string) {
	_, port, err := net.SplitHostPort(address)
	number, bad := strconv.ParseUint(port, 10, 16)
	if err != nil || bad != nil || number == 0 && path != "http.listen" {
		k.add(path, "must be host:port, such as 127.0.0.1:8480")
	}
}

var hostName = regexp.MustCompile(`^[A-Za-z0-9.-]+$`)
