module github.com/TykTechnologies/tyk

go 1.24

require (
	github.com/sirupsen/logrus v1.9.4
	sluiceway v0.0.0
)
