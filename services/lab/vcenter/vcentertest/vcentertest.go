// Package vcentertest starts the lab's vCenter for tests, with a CA made for the occasion.
package vcentertest

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"testing"
	"time"

	"reprotect.example/services/lab/scenario"
	"reprotect.example/services/lab/vcenter"
)

// Start serves a scenario until the test ends and returns the file of the CA that signed its certificate.
func Start(t testing.TB, s scenario.Scenario) (srv *vcenter.Server, caFile string) {
	t.Helper()
	certificate, caFile := Certificate(t)
	srv, err := vcenter.Start(s, vcenter.Options{Certificate: certificate})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(srv.Close)
	return srv, caFile
}

// Do runs one of the server's actions.
func Do(t testing.TB, srv *vcenter.Server, name string, args ...string) {
	t.Helper()
	for _, a := range srv.Actions() {
		if a.Name == name {
			if err := a.Do(args); err != nil {
				t.Fatal(err)
			}
			return
		}
	}
	t.Fatalf("no action is named %s", name)
}

// Certificate makes a CA and a certificate for 127.0.0.1 signed by it, and writes the CA to a file.
func Certificate(t testing.TB) (certificate tls.Certificate, caFile string) {
	t.Helper()
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	caKey, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	must(err)
	ca := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "test CA"},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign,
	}
	caDER, err := x509.CreateCertificate(rand.Reader, ca, ca, caKey.Public(), caKey)
	must(err)
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	must(err)
	leaf := &x509.Certificate{
		SerialNumber: big.NewInt(2), Subject: pkix.Name{CommonName: "vcenter"},
		NotBefore: ca.NotBefore, NotAfter: ca.NotAfter, IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
		KeyUsage: x509.KeyUsageDigitalSignature, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
	}
	leafDER, err := x509.CreateCertificate(rand.Reader, leaf, ca, key.Public(), caKey)
	must(err)
	caFile = filepath.Join(t.TempDir(), "ca.pem")
	must(os.WriteFile(caFile, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: caDER}), 0o600))
	return tls.Certificate{Certificate: [][]byte{leafDER}, PrivateKey: key}, caFile
}
