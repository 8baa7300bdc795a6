package asr

import (
	"context"
	"errors"
	"os"
	"strings"
	"sync/atomic"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/cloud"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/policy"
	"github.com/Azure/azure-sdk-for-go/sdk/azidentity"

	"reprotect.example/services/observed"
)

// Credential returns what authorizes requests to a cloud, named as in Options. With an empty tokenFile it is the SDK's
// default chain (environment, workload identity, managed identity, Azure CLI and others), which signs in where that cloud
// does; in the public one AZURE_AUTHORITY_HOST may say where else. Otherwise the token is the content of the file, read
// anew within a second of its change.
func Credential(tokenFile, cloudName string) (azcore.TokenCredential, error) {
	return newCredential(tokenFile, cloudName, nil)
}

func newCredential(tokenFile, cloudName string, transport policy.Transporter) (azcore.TokenCredential, error) {
	if tokenFile != "" {
		return fileCredential(tokenFile), nil
	}
	configuration, err := cloudNamed(cloudName)
	if err != nil {
		return nil, err
	}
	options := &azidentity.DefaultAzureCredentialOptions{ClientOptions: azcore.ClientOptions{Transport: transport}}
	if configuration.ActiveDirectoryAuthorityHost != cloud.AzurePublic.ActiveDirectoryAuthorityHost {
		options.Cloud = configuration
	}
	chain, err := azidentity.NewDefaultAzureCredential(options)
	if err != nil {
		return nil, loginFault("no Azure credential can be made", scrub(err.Error(), ""))
	}
	return chain, nil
}

type fileCredential string

func (f fileCredential) GetToken(context.Context, policy.TokenRequestOptions) (azcore.AccessToken, error) {
	content, err := os.ReadFile(string(f))
	if err != nil {
		return azcore.AccessToken{}, f.fault("cannot be read: " + err.Error())
	}
	token := strings.TrimSpace(string(content))
	if token == "" || strings.ContainsAny(token, " \t\r\n") {
		return azcore.AccessToken{}, f.fault("does not hold one token and nothing else")
	}
	return azcore.AccessToken{Token: token, ExpiresOn: time.Now().Add(time.Second)}, nil
}

func (f fileCredential) fault(what string) error {
	return &observed.Fault{Class: observed.Operator, Code: CodeLogin, What: "the token file " + string(f) + " " + what,
		Remedy: "write the token into the file that azure.tokenFile names, or leave tokenFile out to use the default credentials"}
}

// login gives every failure to get a token the same form, and knows the token so that it can be struck out of
// anything that is shown.
type login struct {
	credential azcore.TokenCredential
	token      atomic.Pointer[string]
}

func (l *login) GetToken(ctx context.Context, o policy.TokenRequestOptions) (azcore.AccessToken, error) {
	t, err := l.credential.GetToken(ctx, o)
	if err == nil {
		l.token.Store(&t.Token)
		return t, nil
	}
	if ctx.Err() != nil {
		return t, ctx.Err()
	}
	var fault *observed.Fault
	if errors.As(err, &fault) {
		return t, fault
	}
	return t, loginFault("no token for Azure was granted", scrub(err.Error(), l.secret()))
}

func loginFault(what, words string) error {
	class, remedy := Explain(CodeLogin, "")
	return &observed.Fault{Class: class, Code: CodeLogin, What: what, Words: words, Remedy: remedy}
}

func (l *login) secret() string {
	if t := l.token.Load(); t != nil {
		return *t
	}
	return ""
}
