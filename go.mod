module teiki

go 1.26.0

require (
	github.com/MicahParks/jwkset v0.11.4
	github.com/adhocore/gronx v1.20.4
	github.com/golang-jwt/jwt/v5 v5.3.1
)

require golang.org/x/time v0.9.0 // indirect
