package main

import (
	"context"
	"fmt"
	"strings"
	"sync/atomic"
	"time"

	core "k8s.io/api/core/v1"
	meta "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/client-go/informers"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/tools/cache"
)

const (
	objectCount = 20
	settle      = 20 * time.Second
)

// runInformer keeps an informer open for the duration, with the changes spread over it, and compares its cache with a
// list at the end.
func runInformer(client kubernetes.Interface, namespace string, duration time.Duration, changes, watchesMax int, counter *counter) {
	seen, err := informer(client, namespace, duration, changes, watchesMax, counter)
	report("informer", seen, err)
}

func informer(client kubernetes.Interface, namespace string, duration time.Duration, changes, watchesMax int, counter *counter) (facts, error) {
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	factory := informers.NewSharedInformerFactoryWithOptions(client, 0, informers.WithNamespace(namespace))
	maps := factory.Core().V1().ConfigMaps()
	var events, broken atomic.Int64
	handler := cache.ResourceEventHandlerFuncs{
		AddFunc:    func(any) { events.Add(1) },
		UpdateFunc: func(any, any) { events.Add(1) },
		DeleteFunc: func(any) { events.Add(1) },
	}
	if _, err := maps.Informer().AddEventHandler(handler); err != nil {
		return nil, err
	}
	onError := func(_ context.Context, _ *cache.Reflector, _ error) { broken.Add(1) }
	if err := maps.Informer().SetWatchErrorHandlerWithContext(onError); err != nil {
		return nil, err
	}
	factory.Start(ctx.Done())
	if !cache.WaitForCacheSync(ctx.Done(), maps.Informer().HasSynced) {
		return nil, fmt.Errorf("the informer did not begin")
	}
	if err := change(ctx, client, namespace, duration, changes); err != nil {
		return nil, err
	}
	same := false
	for deadline := time.Now().Add(settle); !same && time.Now().Before(deadline); time.Sleep(100 * time.Millisecond) {
		lists, _ := counter.counts()
		direct, err := client.CoreV1().ConfigMaps(namespace).List(ctx, meta.ListOptions{})
		if err != nil {
			return nil, err
		}
		counter.forgetLists(lists)
		held, err := maps.Lister().ConfigMaps(namespace).List(labels.Everything())
		if err != nil {
			return nil, err
		}
		same = versions(held) == versions(pointers(direct.Items))
	}
	lists, watches := counter.counts()
	return facts{
		"changes": changes, "cacheIsTheList": same, "lists": lists, "tooManyWatches": watches > watchesMax,
		"eventsMissing": max(0, int64(changes)-events.Load()), "errors": broken.Load(),
	}, nil
}

// change spreads the changes evenly: of each three, the first makes an object, the second changes it, and the third
// deletes another.
func change(ctx context.Context, client kubernetes.Interface, namespace string, duration time.Duration, changes int) error {
	maps := client.CoreV1().ConfigMaps(namespace)
	ticks := time.NewTicker(duration / time.Duration(changes))
	defer ticks.Stop()
	payload := strings.Repeat("x", 1000)
	for number := range changes {
		<-ticks.C
		round := number / 3
		name := fmt.Sprintf("informed-%d", round)
		object := &core.ConfigMap{ObjectMeta: meta.ObjectMeta{Name: name}, Data: map[string]string{"payload": payload}}
		var err error
		switch {
		case number%3 == 0:
			_, err = maps.Create(ctx, object, meta.CreateOptions{})
		case number%3 == 2 && round >= objectCount:
			err = maps.Delete(ctx, fmt.Sprintf("informed-%d", round-objectCount), meta.DeleteOptions{})
		default:
			object.Data["step"] = fmt.Sprint(number)
			_, err = maps.Update(ctx, object, meta.UpdateOptions{})
		}
		if err != nil {
			return fmt.Errorf("change %d: %w", number, err)
		}
	}
	return nil
}

func pointers(items []core.ConfigMap) []*core.ConfigMap {
	all := make([]*core.ConfigMap, 0, len(items))
	for index := range items {
		all = append(all, &items[index])
	}
	return all
}

// versions names each object and its version, in order.
func versions(items []*core.ConfigMap) string {
	all := map[string]int{}
	for _, item := range items {
		all[item.Name+"@"+item.ResourceVersion] = 1
	}
	return names(all)
}
