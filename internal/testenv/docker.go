package testenv

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"github.com/ory/dockertest/v3"
	docker "github.com/ory/dockertest/v3/docker"
)

const (
	postgresPort = "5432/tcp"
	redisPort    = "6379/tcp"

	pullLimit = 90 * time.Second
	pullAgain = 10 * time.Minute
	// expiry is the last resort when watch.sh was killed too, and longer than
	// any run of the suite.
	expiry = 6 * time.Hour
)

// ourImages are made by image/build.sh, the newest PostgreSQL first.
var ourImages = []string{"fature-test:pg17", "fature-test:pg15"}

// official stands in for our image where there is none. It has no pg_cron.
var official = []container{
	{
		image: "postgres:17-alpine",
		ports: []docker.Port{postgresPort},
		env:   []string{"POSTGRES_HOST_AUTH_METHOD=trust", "POSTGRES_DB=fature", "POSTGRES_INITDB_ARGS=--locale=C --encoding=UTF8"},
		cmd:   append([]string{"postgres"}, settings...),
	},
	{image: "redis:8-alpine", ports: []docker.Port{redisPort}},
}

// A container is what to run for one or both of the servers.
type container struct {
	image    string
	ports    []docker.Port
	env, cmd []string
	// Of those that may be killed: what to run before the image's own command,
	// and a folder in memory with its options.
	entry []string
	tmpfs map[string]string
}

// containers is a docker daemon and what to run on it.
type containers struct {
	pool *dockertest.Pool
	run  []container
}

func findDocker(ctx context.Context, log logf) (plan, error) {
	c, id, err := findContainers(ctx, log)
	if err != nil {
		return plan{}, err
	}
	return plan{
		key:   "docker-" + id,
		about: "PostgreSQL and Redis in Docker, image " + c.run[0].image,
		stop:  c.stop,
		start: c.start,
	}, nil
}

// findContainers also returns the id of the image with PostgreSQL.
func findContainers(ctx context.Context, log logf) (c containers, id string, err error) {
	if c.pool, err = dockertest.NewPool(""); err != nil {
		return c, "", err
	}
	if err := pingDocker(ctx, c.pool); err != nil {
		return c, "", fmt.Errorf("no daemon: %w", err)
	}
	if _, err := exec.LookPath("docker"); err != nil {
		return c, "", errors.New("no docker program on PATH, which removes the container when the tests are over")
	}
	c.run, id, err = chooseImages(ctx, c.pool, log)
	return c, id, err
}

// pingDocker exists because NewPool does not notice that there is no daemon.
func pingDocker(ctx context.Context, pool *dockertest.Pool) error {
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	return pool.Client.PingWithContext(ctx)
}

// chooseImages returns what to run, and the id of the image with PostgreSQL.
func chooseImages(ctx context.Context, pool *dockertest.Pool, log logf) ([]container, string, error) {
	images := ourImages
	named := os.Getenv("FATURE_TEST_IMAGE")
	if named != "" {
		images = []string{named}
	}
	for _, image := range images {
		if id, ok := imageID(pool, image); ok {
			return []container{{image: image, ports: []docker.Port{postgresPort, redisPort}, cmd: settings}}, id, nil
		}
	}
	if named != "" {
		return nil, "", fmt.Errorf("the image %s of FATURE_TEST_IMAGE is not here; \"make image\" builds ours", named)
	}
	for _, c := range official {
		if err := pull(ctx, pool, c.image, log); err != nil {
			return nil, "", err
		}
	}
	id, ok := imageID(pool, official[0].image)
	if !ok {
		return nil, "", fmt.Errorf("the image %s was pulled, but is not here", official[0].image)
	}
	return official, id, nil
}

// imageID is a short form of the id of a local image.
func imageID(pool *dockertest.Pool, image string) (string, bool) {
	found, err := pool.Client.InspectImage(image)
	if err != nil {
		return "", false
	}
	id := strings.TrimPrefix(found.ID, "sha256:")
	return id[:min(12, len(id))], true
}

// pull brings an official image that is not here. Each package of a test run
// comes by, so after a failure the others do not wait for the network again.
func pull(ctx context.Context, pool *dockertest.Pool, image string, log logf) error {
	if _, ok := imageID(pool, image); ok {
		return nil
	}
	missing := fmt.Sprintf("no image %s; pulling %s instead", strings.Join(ourImages, ", "), image)
	if os.Getenv("FATURE_NO_PULL") != "" {
		return errors.New(missing + " is forbidden by FATURE_NO_PULL")
	}
	home, err := stateFolder()
	if err != nil {
		return err
	}
	failed := filepath.Join(home, "pull-failed")
	if info, err := os.Stat(failed); err == nil && time.Since(info.ModTime()) < pullAgain {
		return fmt.Errorf("%s has failed a moment ago; remove %s to try again now", missing, failed)
	}
	log("testenv: pulling the image %s, at most %s; \"make image\" builds one instead, FATURE_NO_PULL=1 forbids it", image, pullLimit)
	ctx, cancel := context.WithTimeout(ctx, pullLimit)
	defer cancel()
	repository, tag := splitImage(image)
	err = pool.Client.PullImage(docker.PullImageOptions{Repository: repository, Tag: tag, Context: ctx}, docker.AuthConfiguration{})
	if err != nil {
		_ = os.WriteFile(failed, nil, 0o600) // without it the next package tries again
		return fmt.Errorf("%s has failed: %w", missing, err)
	}
	return nil
}

// splitImage parts an image name from its tag, which dockertest wants to have
// separately. A colon before a slash belongs to a port.
func splitImage(image string) (repository, tag string) {
	if i := strings.LastIndex(image, ":"); i > strings.LastIndex(image, "/") {
		return image[:i], image[i+1:]
	}
	return image, "latest"
}

func (c containers) stop(l lease) string {
	command := fmt.Sprintf("docker --host '%s' rm --force --volumes", c.pool.Client.Endpoint())
	for i := range c.run {
		command += " " + l.containerName(i)
	}
	return command + "\n"
}

func (l lease) containerName(i int) string { return fmt.Sprintf("%s-%d", l.name, i) }

func (c containers) start(ctx context.Context, l lease) (*Servers, error) {
	s := &Servers{Backend: "docker"}
	for i, todo := range c.run {
		if err := c.startOne(ctx, todo, l.containerName(i), s); err != nil {
			return nil, fmt.Errorf("%s: %w", todo.image, err)
		}
	}
	return s, nil
}

// startOne runs a container, waits for its servers and enters them in s.
func (c containers) startOne(ctx context.Context, todo container, name string, s *Servers) error {
	repository, tag := splitImage(todo.image)
	bindings := map[docker.Port][]docker.PortBinding{}
	for _, port := range todo.ports {
		// Not 0.0.0.0, dockertest's default: these servers ask for no password.
		bindings[port] = []docker.PortBinding{{HostIP: "127.0.0.1"}}
	}
	resource, err := c.pool.RunWithOptions(&dockertest.RunOptions{
		Name: name, Repository: repository, Tag: tag,
		Env: todo.env, Entrypoint: todo.entry, Cmd: todo.cmd, PortBindings: bindings,
	}, func(host *docker.HostConfig) {
		host.PublishAllPorts = false
		host.AutoRemove = true
		host.Tmpfs = todo.tmpfs
		host.ShmSize = 256 << 20 // parallel queries outgrow the default of 64 MB
	})
	if err != nil {
		return err
	}
	if err := resource.Expire(uint(expiry.Seconds())); err != nil {
		return err
	}
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	go func() {
		code, err := c.pool.Client.WaitContainerWithContext(resource.Container.ID, ctx)
		cancel(fmt.Errorf("the container has stopped: exit code %d, %v", code, err))
	}()
	return awaitPorts(ctx, resource, todo.ports, s)
}

func awaitPorts(ctx context.Context, resource *dockertest.Resource, ports []docker.Port, s *Servers) error {
	for _, port := range ports {
		address := "127.0.0.1:" + resource.GetPort(string(port))
		ping := pingPostgres
		url := fmt.Sprintf("postgres://postgres@%s/fature?sslmode=disable", address)
		target := &s.DatabaseURL
		if port == redisPort {
			ping, url, target = pingRedis, "redis://"+address, &s.RedisURL
		}
		if err := until(ctx, func(ctx context.Context) error { return ping(ctx, url) }); err != nil {
			return err
		}
		*target = url
	}
	return nil
}
