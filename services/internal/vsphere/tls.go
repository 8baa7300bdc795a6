package vsphere

import (
	"crypto/sha1" //nolint:gosec // thumbprints of vSphere are SHA-1 by tradition; SHA-256 is accepted too
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"encoding/hex"
	"errors"
	"fmt"
	"os"
	"strings"

	"github.com/vmware/govmomi/vim25/soap"
)

// pinError is the refusal of a certificate that is not the pinned one.
type pinError struct {
	presented *x509.Certificate
}

func (e *pinError) Error() string { return "the certificate is not the pinned one" }

// trust builds the TLS settings. A thumbprint is a real pin, checked in VerifyConnection on every handshake:
// govmomi's own SetThumbprint only helps where the chain does not verify, so a wrong one passes as soon as
// any trusted CA signed the certificate.
func trust(thumbprint, caFile string) (*tls.Config, error) {
	cfg := &tls.Config{MinVersion: tls.VersionTLS12}
	if thumbprint != "" {
		pin, err := parseThumbprint(thumbprint)
		if err != nil {
			return nil, err
		}
		cfg.InsecureSkipVerify = true // replaced by the pin, which is stricter
		cfg.VerifyConnection = func(cs tls.ConnectionState) error {
			leaf := cs.PeerCertificates[0]
			if sum1, sum256 := sha1.Sum(leaf.Raw), sha256.Sum256(leaf.Raw); pin != string(sum1[:]) && pin != string(sum256[:]) { //nolint:gosec // see above
				return &pinError{presented: leaf}
			}
			return nil
		}
		return cfg, nil
	}
	if caFile == "" {
		return cfg, nil
	}
	pem, err := os.ReadFile(caFile)
	if err != nil {
		return nil, fmt.Errorf("vcenter.caFile: %w", err)
	}
	cfg.RootCAs = x509.NewCertPool()
	if !cfg.RootCAs.AppendCertsFromPEM(pem) {
		return nil, fmt.Errorf("vcenter.caFile %s holds no certificate in PEM form", caFile)
	}
	return cfg, nil
}

// parseThumbprint returns the raw digest.
func parseThumbprint(s string) (string, error) {
	raw, err := hex.DecodeString(strings.NewReplacer(":", "", " ", "").Replace(s))
	if err != nil || (len(raw) != sha1.Size && len(raw) != sha256.Size) {
		return "", fmt.Errorf("vcenter.thumbprint %q is neither SHA-1 (40 hex digits) nor SHA-256 (64 hex digits)", s)
	}
	return string(raw), nil
}

// presentedThumbprint is the SHA-256 thumbprint of the certificate that a refused handshake showed; ok is
// false when err is not about a certificate.
func presentedThumbprint(err error) (thumbprint string, ok bool) {
	var pin *pinError
	if errors.As(err, &pin) {
		return soap.ThumbprintSHA256(pin.presented), true
	}
	var verify *tls.CertificateVerificationError
	if errors.As(err, &verify) && len(verify.UnverifiedCertificates) > 0 {
		return soap.ThumbprintSHA256(verify.UnverifiedCertificates[0]), true
	}
	return "", false
}
