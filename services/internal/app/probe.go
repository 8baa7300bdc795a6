package app

import (
	"context"
	"errors"
	"net"
	"sync"
	"syscall"
	"time"

	"reprotect.example/services/internal/config"
	"reprotect.example/services/observed"
)

// probeLimit is how long a server may take to accept a connection.
const probeLimit = 3 * time.Second

// probe tries all addresses at the same time: a TCP connection that is closed at once, nothing is sent.
func probe(ctx context.Context, probes []config.Probe) []observed.Probe {
	results := make([]observed.Probe, len(probes))
	var trying sync.WaitGroup
	for i, p := range probes {
		trying.Go(func() { results[i] = connectTo(ctx, p) })
	}
	trying.Wait()
	return results
}

func connectTo(ctx context.Context, p config.Probe) observed.Probe {
	result := observed.Probe{Name: p.Name, Address: p.Address}
	dialer := net.Dialer{Timeout: probeLimit}
	connection, err := dialer.DialContext(ctx, "tcp", p.Address)
	if err == nil {
		_ = connection.Close() // nothing was sent that could be lost
		return result
	}
	var name *net.DNSError
	result.Unclear = errors.As(err, &name) || errors.Is(err, syscall.ENETUNREACH) || errors.Is(err, syscall.EMFILE)
	var network *net.OpError
	if errors.As(err, &network) {
		err = network.Err // without the address, which the probe names
	}
	result.Failure = err.Error()
	if network != nil && network.Timeout() {
		result.Failure = "no answer within " + probeLimit.String()
	}
	return result
}
