// Package arguments gives a program its name, which packages take from os.Args as they are initialized, and which hosts
// of plugins do not give. Go initializes packages in the order of their import paths: this one's sorts before others.
package arguments

import "os"

func init() {
	if len(os.Args) == 0 {
		os.Args = []string{"plugin"}
	}
}
