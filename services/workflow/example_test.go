package workflow_test

import (
	"context"
	"fmt"
	"strings"
	"time"

	"reprotect.example/events"
	"reprotect.example/events/bus"
	"reprotect.example/events/bus/memory"
	"reprotect.example/services/workflow"
)

// patience is what the example's handler keeps between looks.
type patience struct {
	Looks int `json:"looks"`
}

// A service that waits until a machine answers, and then says that its agent is back. It looks three times, and holds no
// message meanwhile: another process could take the case up at the next look.
func Example() {
	looks := func(_ context.Context, e workflow.Event[events.Placed], kept patience) (workflow.Result[patience], error) {
		c := e.Data.Case
		fmt.Printf("look %d at %s\n", kept.Looks+1, strings.Join(c.Names(), ", "))
		if kept.Looks < 2 {
			return workflow.Result[patience]{After: 10 * time.Millisecond, State: patience{kept.Looks + 1}}, nil
		}
		registered := events.Registered{Case: c, Agents: []events.Agent{{Machine: "web01"}}}
		return workflow.Result[patience]{Publish: []workflow.Draft{workflow.Fact(events.TypeRegistered, "", registered)}}, nil
	}
	service := workflow.Service{Name: "agentwatcher", Routes: []workflow.Route{
		workflow.On(events.TypePlaced, events.StepRegistration, looks).Within(30 * time.Second),
	}}

	log := memory.New(memory.Faults{})
	conn := log.Connect()
	ctx, stop := context.WithCancel(context.Background())
	defer stop()
	done := make(chan string)
	go func() { // an outcome is a message like any other: who is interested subscribes
		s, err := conn.Consume(ctx, bus.Consumer{Service: "reader", Filters: []string{"reprotect.event.*.*.registration.*"}})
		if err != nil {
			panic(err)
		}
		d, err := s.Next(ctx)
		if err != nil {
			panic(err)
		}
		done <- d.Received().Subject
	}()
	go func() { _ = workflow.Run(ctx, conn, service, workflow.Options{}) }() // ends with ctx

	placed := events.Event[events.Placed]{
		Header: events.Header{
			ID: "r1--web01/placement", Source: "/reprotect/tokyo/datastore", Type: events.TypePlaced.CloudType(),
			Site: "tokyo", Case: "r1--web01", Step: events.StepPlacement, Request: "r1", Time: time.Now(),
		},
		Data: events.Placed{Case: events.Case{Machines: []events.Machine{{Name: "web01", Item: "/items/web01"}}}},
	}
	raw, err := events.Encode(placed)
	if err != nil {
		panic(err)
	}
	subject := events.FactSubject("tokyo", "r1--web01", events.StepPlacement, events.TypePlaced.Name)
	if err := conn.Publish(ctx, bus.Message{Subject: subject, ID: placed.ID, Data: raw}); err != nil {
		panic(err)
	}
	fmt.Println(<-done)
	// Output:
	// look 1 at web01
	// look 2 at web01
	// look 3 at web01
	// reprotect.event.tokyo.r1--web01.registration.registered
}
