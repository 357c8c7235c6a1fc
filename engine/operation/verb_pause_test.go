package operation_test

import (
	"github.com/cockroachdb/datadriven"
)

// pause server|datacenter [because=] [unseen]: unseen means that the controller's cache does not
// show it yet, only the API server does.
func verbPause(b *bench, d *datadriven.TestData) string { return setPaused(b, d, true) }

// resume server|datacenter.
func verbResume(b *bench, d *datadriven.TestData) string { return setPaused(b, d, false) }

func setPaused(b *bench, d *datadriven.TestData, paused bool) string {
	because := word(d, "because", "")
	switch bare(d, 0) {
	case "server":
		next := b.server.DeepCopy()
		next.Spec.Paused, next.Spec.Reason = paused, because
		if d.HasArg("unseen") {
			b.liveServer = next
			return "the API server has it, the cache not yet"
		}
		b.server = next
	case "datacenter":
		next := b.site
		next.Paused, next.Reason = paused, because
		if d.HasArg("unseen") {
			b.liveSite = &next
			return "the API server has it, the cache not yet"
		}
		b.site = next
	default:
		return "pause what?"
	}
	return ""
}

// watch: the cache catches up with the API server.
func verbWatch(b *bench, _ *datadriven.TestData) string {
	if b.liveServer != nil {
		b.server, b.liveServer = b.liveServer, nil
	}
	if b.liveGroup != nil {
		b.group, b.liveGroup = b.liveGroup, nil
	}
	if b.groupGone {
		b.group, b.groupGone = nil, false
	}
	if b.liveSite != nil {
		b.site, b.liveSite = *b.liveSite, nil
	}
	return "the cache has caught up"
}
