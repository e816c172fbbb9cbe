module teiki

go 1.26.0

require (
	github.com/adhocore/gronx v1.20.4
	github.com/ncruces/go-strftime v1.1.0
	golang.org/x/crypto/x509roots/fallback v0.0.0-20261030153154-30a33513ff6d
	golang.org/x/net v0.62.0
	golang.org/x/oauth2 v0.37.0
	golang.org/x/sync v0.24.0
)

require golang.org/x/text v0.43.0 // indirect
