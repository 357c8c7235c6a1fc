package worker

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"time"

	"stargate.io/stargate/policies/hooks/wire"
)

// Arg0 is the name under which a parent starts a worker: how a program that has more to do knows that it is one.
const Arg0 = "stargate-hookworker"

// Output is the descriptor that frames are written to. Standard output is not, so that nothing that prints can
// break the frames.
const Output = 3

// overdue is how long after its deadline a worker ends itself, if the parent that should have is stuck or gone.
const overdue = 5 * time.Second

// Main serves runs until the parent closes the pipe, and gives the exit code.
func Main() int {
	if len(os.Args) != 2 {
		fmt.Fprintln(os.Stderr, "hookworker: is started by Stargate, not by people")
		return 64
	}
	if err := confine(os.Args[1]); err != nil {
		fmt.Fprintln(os.Stderr, "hookworker:", err)
		return 1
	}
	s := &server{out: os.NewFile(Output, "frames"), runs: make(chan wire.Run), replies: make(chan wire.Reply)}
	go s.read(bufio.NewReaderSize(os.Stdin, 64<<10))
	for in := range s.runs {
		if err := s.serve(in); err != nil {
			fmt.Fprintln(os.Stderr, "hookworker:", err)
			return 1
		}
	}
	return 0
}

// server of runs, one at a time.
type server struct {
	out     io.Writer
	runs    chan wire.Run
	replies chan wire.Reply
	scripts scripts
}

// read frames until there are none; whatever goes on in a script then, the process ends: its parent is gone.
func (s *server) read(r io.Reader) {
	for {
		kind, payload, err := wire.Read(r)
		if err != nil {
			os.Exit(0)
		}
		switch kind {
		case wire.KindRun:
			var in wire.Run
			if err := json.Unmarshal(payload, &in); err != nil {
				os.Exit(1)
			}
			s.runs <- in
		case wire.KindReply:
			var reply wire.Reply
			if err := json.Unmarshal(payload, &reply); err != nil {
				os.Exit(1)
			}
			s.replies <- reply
		default:
			os.Exit(1)
		}
	}
}

func (s *server) serve(in wire.Run) error {
	watchdog := time.AfterFunc(in.Deadline+overdue, func() { os.Exit(1) })
	defer watchdog.Stop()
	defer watchMemory()()
	end := s.run(in)
	end.Peak = peak()
	return wire.Write(s.out, wire.KindEnd, end)
}
