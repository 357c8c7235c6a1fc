package dcapi_test

import (
	"net/http/httptest"
	"testing"
	"time"

	"stargate.io/stargate/cmd/mockdc/site"
	"stargate.io/stargate/drivers"
	"stargate.io/stargate/drivers/dcapi"
)

func TestRepaveFromStartToEnd(t *testing.T) {
	for _, api := range []string{site.V1, site.V2} {
		t.Run(api, func(t *testing.T) {
			clock := site.NewManualClock(time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC))
			dc := site.New(site.Config{API: api, Clock: clock})
			defer dc.Close()
			server := httptest.NewServer(dc)
			defer server.Close()
			driver, err := dcapi.New(dcapi.Config{Endpoint: server.URL, Name: "dc-west/dc-west"})
			if err != nil {
				t.Fatal(err)
			}
			defer driver.Close()
			capabilities, err := driver.Probe(t.Context())
			if err != nil || capabilities.Version != api {
				t.Fatalf("probe: %+v, %v", capabilities, err)
			}
			job, err := driver.Start(t.Context(), drivers.Request{
				ID: "u-1", Action: drivers.Repave, Server: drivers.Identity{Name: "server-001", MAC: "aa:bb:cc:dd:ee:01"},
				Image: &drivers.Image{OSVersion: "24.04", ProfileHash: "h1"},
			})
			if err != nil {
				t.Fatal(err)
			}
			for _, want := range []drivers.Phase{drivers.JobPending, drivers.JobRunning, drivers.JobSucceeded} {
				status, err := driver.Status(t.Context(), job)
				if err != nil || status.Phase != want {
					t.Fatalf("status: %+v, %v; want %s", status, err, want)
				}
				clock.Advance(20 * time.Second)
			}
			for _, event := range dc.Record() {
				t.Logf("%3d %s %-9s %s %s %s", event.Seq, event.At.Format(time.TimeOnly), event.Kind, event.JobID, event.RequestID, event.Phase)
			}
		})
	}
}
