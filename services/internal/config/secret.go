package config

import (
	"errors"
	"fmt"
	"os"
	"strings"
)

// VCenterPassword reads the password of a site's vCenter account.
func (c Config) VCenterPassword(site string) (string, error) {
	v := c.Sites[site].VCenter
	return secret("sites."+site+".vcenter.password", v.PasswordFile, v.PasswordEnv)
}

// NATSPassword reads the password of the NATS user; "" when the config names none.
func (c Config) NATSPassword() (string, error) {
	n := c.Bus.NATS
	if n == nil || n.PasswordFile == "" && n.PasswordEnv == "" {
		return "", nil
	}
	return secret("bus.nats.password", n.PasswordFile, n.PasswordEnv)
}

// ServiceBusConnectionString reads the connection string; "" when the config names none.
func (c Config) ServiceBusConnectionString() (string, error) {
	s := c.Bus.ServiceBus
	if s == nil || s.ConnectionStringFile == "" && s.ConnectionStringEnv == "" {
		return "", nil
	}
	return secret("bus.serviceBus.connectionString", s.ConnectionStringFile, s.ConnectionStringEnv)
}

// ServiceBusProxy reads the address of the proxy that Service Bus is reached through; "" when the config names none.
func (c Config) ServiceBusProxy() (string, error) {
	s := c.Bus.ServiceBus
	switch {
	case s == nil:
		return "", nil
	case !strings.HasPrefix(s.Proxy, "env:"):
		return s.Proxy, nil
	}
	return secret("bus.serviceBus.proxy", "", s.Proxy)
}

// JournalToken reads the token that the journal's API asks for; "" when the config names none.
func (c Config) JournalToken() (string, error) {
	if c.Journal.TokenFile == "" {
		return "", nil
	}
	return secret("journal.token", c.Journal.TokenFile, "")
}

// AuditKey reads the private key of the checkpoints; "" when the config names none.
func (c Config) AuditKey() (string, error) {
	if c.Audit.KeyFile == "" {
		return "", nil
	}
	return secret("audit.key", c.Audit.KeyFile, "")
}

// HTTPToken reads the token with which people and scripts act over HTTP; "" when the config names none.
func (c Config) HTTPToken() (string, error) {
	if c.HTTP.Auth == nil || c.HTTP.Auth.TokenFile == "" {
		return "", nil
	}
	return secret("http.auth.token", c.HTTP.Auth.TokenFile, "")
}

// NotifyURL reads the address of a notification channel.
func (c Config) NotifyURL(name string) (string, error) {
	for i, n := range c.Notify {
		if n.Name == name {
			return secret(fmt.Sprintf("notify[%d].url", i), n.URLFile, n.URLEnv)
		}
	}
	return "", fmt.Errorf("notify: no channel is named %q", name)
}

// NotifySecret reads the secret with which a channel signs; "" where it does not.
func (c Config) NotifySecret(name string) (string, error) {
	for i, n := range c.Notify {
		if n.Name == name && (n.SecretFile != "" || n.SecretEnv != "") {
			return secret(fmt.Sprintf("notify[%d].secret", i), n.SecretFile, n.SecretEnv)
		}
	}
	return "", nil
}

// CheckSecrets reads every secret that the config names and reports all that cannot be read.
func (c Config) CheckSecrets() error {
	var failed []error
	check := func(_ string, err error) { failed = append(failed, err) }
	check(c.NATSPassword())
	check(c.ServiceBusConnectionString())
	check(c.ServiceBusProxy())
	check(c.JournalToken())
	check(c.HTTPToken())
	check(c.AuditKey())
	for _, site := range c.SiteNames() {
		check(c.VCenterPassword(site))
	}
	for _, n := range c.Notify {
		if n.Kind != KindBus {
			check(c.NotifyURL(n.Name))
			check(c.NotifySecret(n.Name))
		}
	}
	return errors.Join(failed...)
}

// secret reads a file without its last line's end, or an environment variable.
func secret(key, file, env string) (string, error) {
	if file == "" {
		name := strings.TrimPrefix(env, "env:")
		value := os.Getenv(name)
		if value == "" {
			return "", fmt.Errorf("%s: the environment variable %q is not set, or is empty: set it for this process", key, name)
		}
		return value, nil
	}
	key += "File"
	content, err := os.ReadFile(file)
	if err != nil {
		return "", fmt.Errorf("%s: %w: the file must exist and be readable by the account of this process", key, err)
	}
	value := strings.TrimRight(string(content), "\r\n")
	if value == "" {
		return "", fmt.Errorf("%s: %s is empty: write the secret into it", key, file)
	}
	return value, nil
}
