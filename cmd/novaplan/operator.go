package main

import (
	"cmp"
	"fmt"
	"os"
	"strconv"
	"time"

	"github.com/spf13/cobra"

	"github.com/novaplan/novaplan/cluster/api/wire"
	"github.com/novaplan/novaplan/cmd/novaplan/render"
)

func newOperator(c *console) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "operator",
		Short: "Keep the servers: members, snapshots, what to send with a bug report",
		Long: `Operator looks after the servers themselves. It asks the server that -addr or NOVAPLAN_ADDR names, or the one on this
machine through its socket, and needs the role admin for whatever changes something.`,
		Example: `  novaplan operator raft list-peers
  novaplan operator snapshot save fleet.snapshot
  novaplan operator debug`,
		Args: noSubcommand,
		RunE: func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	raft := &cobra.Command{Use: "raft", Short: "The members that keep the record", Args: noSubcommand, RunE: cmd.RunE}
	raft.AddCommand(newListPeers(c), newRemovePeer(c), newTransferLeader(c))
	snapshot := &cobra.Command{Use: "snapshot", Short: "The record as a checksummed file", Args: noSubcommand, RunE: cmd.RunE}
	snapshot.AddCommand(newSnapshotSave(c), newSnapshotRestore(c), newSnapshotInspect(c))
	cmd.AddCommand(raft, snapshot, newMove(c), newDebug(c))
	return cmd
}

// atOperator is atServer for who keeps the servers: on a server's own machine its socket needs no naming.
func (c *console) atOperator(cmd *cobra.Command, do func(*session) error) error {
	if c.server() == nil {
		socket := defaultData + "/sock"
		if _, err := os.Stat(socket); err == nil {
			c.Addr = socket
		}
	}
	return c.atServer(cmd, do)
}

func newListPeers(c *console) *cobra.Command {
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "list-peers",
		Short: "List the members, as the leader knows them",
		Args:  atMost(0, "no arguments"),
		RunE: func(cmd *cobra.Command, _ []string) error {
			return c.atOperator(cmd, func(s *session) error {
				known, err := s.Members(cmd.Context())
				if err != nil {
					return err
				}
				if asJSON {
					return writeJSON(c.Out, known)
				}
				_, err = fmt.Fprint(c.Out, memberTable(known))
				return err
			})
		},
	}
	cmd.Flags().BoolVar(&asJSON, "json", false, "as one JSON document")
	return cmd
}

func memberTable(known *wire.Members) string {
	var t render.Table
	t.Row("MEMBER", "ADDRESS", "ROLE", "HEALTH", "HEARD", "INDEX", "VERSION", "PROBLEM")
	for _, m := range known.Members {
		role, health, heard := "voter", "healthy", "now"
		switch {
		case m.Leader:
			role = "leader"
		case !m.Voter:
			role = "newcomer"
		}
		if !m.Healthy {
			health = "unhealthy"
		}
		if ago := time.Duration(m.LastContact) * time.Millisecond; ago < 0 {
			heard = "never"
		} else if ago >= time.Second {
			heard = ago.Truncate(time.Second).String() + " ago"
		}
		t.Row(m.ID, m.Address, role, health, heard, strconv.FormatUint(m.Applied, 10), cmp.Or(m.Version, "?"), m.Problem)
	}
	return t.String()
}

func newRemovePeer(c *console) *cobra.Command {
	var id string
	cmd := &cobra.Command{
		Use:   "remove-peer -id MEMBER",
		Short: "Take a member out for good",
		Long: `Remove-peer takes a member out of the cluster. Dead members are taken out by themselves after a while as long as three are
left; this is for one that won't come back, or that is to be taken away. It never votes again under its data folder: to
bring the machine back, empty that and start the server.`,
		Example: "  novaplan operator raft remove-peer -id gamma",
		Args:    atMost(0, "no arguments: the member is -id"),
		RunE: func(cmd *cobra.Command, _ []string) error {
			if id == "" {
				return usage(cmd, "-id wants the name of a member; novaplan operator raft list-peers has them")
			}
			return c.atOperator(cmd, func(s *session) error {
				if err := s.RemoveMember(cmd.Context(), id); err != nil {
					return err
				}
				_, err := fmt.Fprintf(c.Out, "Member %s was removed.\n", id)
				return err
			})
		},
	}
	cmd.Flags().StringVar(&id, "id", "", "`NAME` of the member")
	return cmd
}

func newTransferLeader(c *console) *cobra.Command {
	var id string
	cmd := &cobra.Command{
		Use:     "transfer-leader [-id MEMBER]",
		Short:   "Hand leadership to another member",
		Example: "  novaplan operator raft transfer-leader -id beta",
		Args:    atMost(0, "no arguments: the member is -id"),
		RunE: func(cmd *cobra.Command, _ []string) error {
			return c.atOperator(cmd, func(s *session) error {
				if err := s.TransferLeadership(cmd.Context(), id); err != nil {
					return err
				}
				_, err := fmt.Fprintf(c.Out, "Leadership was handed to %s.\n", cmp.Or(id, "another member"))
				return err
			})
		},
	}
	cmd.Flags().StringVar(&id, "id", "", "`NAME` of the member; without it, whoever knows most")
	return cmd
}
