//go:build tools

// Package kubelet names the program that the container ring builds, so that go.mod and go.sum hold what it needs.
package kubelet

import _ "k8s.io/kubernetes/cmd/kubelet"
