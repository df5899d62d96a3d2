//go:build tools

// Package main, with this tag, names modules that are used for their files:
// the Gateway API's CRDs are copied out of the module cache.
package main

import _ "sigs.k8s.io/gateway-api/apis/v1"
