package config

import (
	"cmp"
	"path/filepath"
	"time"

	"github.com/knadh/koanf/v2"
)

// defaults of the file, and of each site. They are set only where a key is absent: a zero that somebody wrote
// stays and is judged.
var (
	defaults = map[string]any{
		"dataDir":     "data",
		"azure.cloud": "public",
		"http.listen": "127.0.0.1:8480",
	}
	siteDefaults = map[string]any{
		"defaults.datastore":     "auto",
		"limits.agentWait":       "20m",
		"limits.look":            "30s",
		"limits.jobWait":         "24h",
		"limits.startsPerMinute": 60,
		"limits.concurrent":      20,
	}
)

func setDefaults(k *koanf.Koanf) error {
	absent := map[string]any{}
	for key, value := range defaults {
		absent[key] = value
	}
	for _, site := range k.MapKeys("sites") {
		for key, value := range siteDefaults {
			absent["sites."+site+"."+key] = value
		}
	}
	if k.Exists("bus.nats") {
		absent["bus.nats.replicas"] = 1
	}
	for key, value := range absent {
		if k.Exists(key) {
			continue
		}
		if err := k.Set(key, value); err != nil {
			return err
		}
	}
	return nil
}

func (n *Notify) setDefaults() {
	if n.Levels == nil {
		n.Levels = []string{"warning", "critical"}
	}
	n.Lang, n.Detail = cmp.Or(n.Lang, "en"), cmp.Or(n.Detail, DetailStory)
	n.Digest, n.Stale = cmp.Or(n.Digest, 5*time.Minute), cmp.Or(n.Stale, time.Hour)
}

// resolve makes every path absolute, counted from the file's folder.
func (c *Config) resolve(folder string) {
	absolute := func(paths ...*string) {
		for _, path := range paths {
			if *path != "" && !filepath.IsAbs(*path) {
				*path = filepath.Join(folder, *path)
			}
		}
	}
	absolute(&c.DataDir, &c.Azure.CAFile, &c.Azure.TokenFile, &c.Journal.TokenFile, &c.Journal.CAFile, &c.Audit.KeyFile)
	if a := c.HTTP.Auth; a != nil {
		absolute(&a.TokenFile)
	}
	if n := c.Bus.NATS; n != nil {
		absolute(&n.CredsFile, &n.PasswordFile, &n.TLS.CAFile)
	}
	if s := c.Bus.ServiceBus; s != nil {
		absolute(&s.ConnectionStringFile)
	}
	for name, site := range c.Sites {
		absolute(&site.VCenter.PasswordFile, &site.VCenter.CAFile)
		c.Sites[name] = site
	}
	for i := range c.Notify {
		absolute(&c.Notify[i].URLFile, &c.Notify[i].SecretFile)
	}
}
