// SPDX-License-Identifier: GPL-2.0
package loopback

import (
	"sync"
	"testing"
)

func TestMessages(t *testing.T) {
	if right := Messages(20, ""); right != 20 {
		t.Errorf("%d of 20 messages are right", right)
	}
}

func TestSpoiled(t *testing.T) {
	if right := Messages(3, "spoil"); right != 3 {
		t.Errorf("%d of 3 messages are right", right)
	}
}

func TestRace(t *testing.T) {
	var group sync.WaitGroup
	count := 0

	for i := 0; i < 2; i++ {
		group.Add(1)
		go func() {
			count++
			group.Done()
		}()
	}
	group.Wait()
	t.Log(count)
}
