"""The Python client of the acceptance run: client.py KUBECONFIG NAMESPACE HTTP_PORT CLOSED_PORT

Runs each operation and prints one line of JSON for it: {"name": ..., "facts": {...}}, or {"name": ..., "error": ...}.
"""

import hashlib
import json
import sys
import threading
import time

from kubernetes import client, config, watch
from kubernetes.client.rest import ApiException
from kubernetes.stream import portforward, stream

kubeconfig, namespace, http_port, closed_port = sys.argv[1], sys.argv[2], int(sys.argv[3]), int(sys.argv[4])
config.load_kube_config(kubeconfig)
core, apps = client.CoreV1Api(), client.AppsV1Api()


def config_map(name, **data):
    return client.V1ConfigMap(metadata=client.V1ObjectMeta(name=name, labels={"by": "python"}), data=data)


def run_in_box(command, **options):
    """Starts an exec whose streams are read one by one."""
    return stream(
        core.connect_get_namespaced_pod_exec, "box", namespace, container="main", command=command,
        stderr=True, stdout=True, stdin=options.pop("stdin", False), tty=False, _preload_content=False, **options,
    )


def create_and_list():
    for index in range(5):
        core.create_namespaced_config_map(namespace, config_map(f"py-{index}", number=str(index), text="Ä\u0000\n"))
    listed = core.list_namespaced_config_map(namespace, label_selector="by=python")
    pages, token = 0, None
    while True:
        page = core.list_namespaced_config_map(namespace, label_selector="by=python", limit=2, _continue=token)
        pages, token = pages + 1, page.metadata._continue
        if not token:
            break
    return {
        "names": ",".join(sorted(one.metadata.name for one in listed.items)),
        "data": json.dumps([one.data for one in listed.items]),
        "pages": pages,
        "types": ",".join({type(one).__name__ for one in listed.items}),
    }


def patch():
    merged = core.patch_namespaced_config_map("py-0", namespace, {"data": {"merged": "1", "number": None}})
    as_json = [{"op": "add", "path": "/data/added", "value": "2"}]
    patched = core.patch_namespaced_config_map("py-0", namespace, as_json)
    # The generated methods choose the type of a patch themselves, and apply is none of their choices.
    body = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "py-applied"}, "data": {"applied": "3"}}
    applied = core.api_client.call_api(
        f"/api/v1/namespaces/{namespace}/configmaps/py-applied", "PATCH", body=body, response_type="V1ConfigMap",
        query_params=[("fieldManager", "python")], header_params={"Content-Type": "application/apply-patch+yaml"},
        auth_settings=["BearerToken"], _return_http_data_only=True,
    )
    return {"merged": json.dumps(merged.data), "json": json.dumps(patched.data), "applied": json.dumps(applied.data)}


def replace_and_conflict():
    read = core.read_namespaced_config_map("py-1", namespace)
    read.data["replaced"] = "yes"
    replaced = core.replace_namespaced_config_map("py-1", namespace, read)
    try:
        core.replace_namespaced_config_map("py-1", namespace, read)
        return {"conflict": "none"}
    except ApiException as error:
        body = json.loads(error.body)
        return {"replaced": json.dumps(replaced.data), "conflict": f"{error.status} {body['reason']}: {body['message']}"}


def missing():
    try:
        core.read_namespaced_config_map("py-missing", namespace)
        return {"status": 200}
    except ApiException as error:
        return {
            "status": error.status, "reason": error.reason, "body": error.body,
            "type": error.headers["Content-Type"],
        }


def workload():
    labels = {"app": "py"}
    apps.create_namespaced_deployment(namespace, client.V1Deployment(
        metadata=client.V1ObjectMeta(name="py"),
        spec=client.V1DeploymentSpec(
            replicas=2, selector=client.V1LabelSelector(match_labels=labels),
            template=client.V1PodTemplateSpec(
                metadata=client.V1ObjectMeta(labels=labels),
                spec=client.V1PodSpec(containers=[client.V1Container(name="c", image="example.test/py:1")]),
            ),
        ),
    ))
    scale = apps.patch_namespaced_deployment_scale("py", namespace, {"spec": {"replicas": 3}})
    read = apps.read_namespaced_deployment("py", namespace)
    core.delete_namespaced_config_map("py-4", namespace)
    apps.delete_namespaced_deployment("py", namespace, propagation_policy="Background")
    return {"kind": scale.kind, "scaled": scale.spec.replicas, "image": read.spec.template.spec.containers[0].image}


def watching():
    start = core.list_namespaced_config_map(namespace).metadata.resource_version

    def change():
        time.sleep(0.5)
        core.create_namespaced_config_map(namespace, config_map("py-watched", step="1"))
        core.patch_namespaced_config_map("py-watched", namespace, {"data": {"step": "2"}})
        core.delete_namespaced_config_map("py-watched", namespace)

    thread = threading.Thread(target=change)
    thread.start()
    seen, watcher = [], watch.Watch()
    for event in watcher.stream(
        core.list_namespaced_config_map, namespace, resource_version=start,
        field_selector="metadata.name=py-watched", timeout_seconds=20,
    ):
        seen.append(f"{event['type']} {event['object'].data['step']}")
        if event["type"] == "DELETED":
            watcher.stop()
    thread.join()
    return {"events": ", ".join(seen)}


def watch_of_an_old_version():
    try:
        for _ in watch.Watch().stream(
            core.list_namespaced_config_map, namespace, resource_version="1", timeout_seconds=5,
        ):
            pass
        return {"ended": "by its timeout"}
    except ApiException as error:
        return {"ended": str(error.status)}


def exec_exit_code():
    response = run_in_box(["sh", "-c", "echo out; echo problem >&2; exit 3"])
    response.run_forever(timeout=30)
    protocol = response.sock.getheaders().get("sec-websocket-protocol")
    return {
        "stdout": response.read_stdout(0), "stderr": response.read_stderr(0), "code": response.returncode,
        "protocol": protocol,
    }


def exec_plain():
    return {"output": stream(
        core.connect_get_namespaced_pod_exec, "box", namespace, container="main", command=["echo", "plain"],
        stderr=True, stdout=True, stdin=False, tty=False,
    )}


def exec_with_input():
    size = 2 * 2**20
    text = "".join(f"line {index} of the input\n" for index in range(size // 10))[:size]
    response = run_in_box(["sh", "-c", f"head -c {size} | sha256sum; echo end"], stdin=True)
    for offset in range(0, size, 32768):
        response.write_stdin(text[offset : offset + 32768])
    response.run_forever(timeout=60)
    return {"digest": response.read_stdout(0).split()[0] == hashlib.sha256(text.encode()).hexdigest(),
            "code": response.returncode}


def exec_with_output():
    size = 5 * 2**20
    response = run_in_box(["sh", "-c", f"seq 1 1000000 | head -c {size}"], binary=True)
    digest, count = hashlib.sha256(), 0
    while response.is_open():
        response.update(timeout=30)
        data = response.read_stdout(0)
        if data:
            digest.update(data)
            count += len(data)
    return {"bytes": count, "sha256": digest.hexdigest()}


def exec_in_a_missing_container():
    try:
        run_in = stream(
            core.connect_get_namespaced_pod_exec, "box", namespace, container="nobody", command=["true"],
            stderr=True, stdout=True, stdin=False, tty=False,
        )
        return {"output": run_in}
    except ApiException as error:
        return {"status": error.status, "reason": error.reason.split("-+-+-")[0]}


def forward():
    forwarding = portforward(core.connect_get_namespaced_pod_portforward, "box", namespace, ports=str(http_port))
    sock = forwarding.socket(http_port)
    sock.setblocking(True)
    sock.settimeout(30)
    sock.sendall(b"GET /python HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
    answer = b""
    while True:
        data = sock.recv(65536)
        if not data:
            break
        answer += data
    sock.close()
    error = forwarding.error(http_port)
    return {
        "status": answer.split(b"\r\n")[0].decode(), "body": answer.split(b"\r\n\r\n", 1)[1].decode(),
        "error": str(error),
    }


def forward_to_a_closed_port():
    forwarding = portforward(core.connect_get_namespaced_pod_portforward, "box", namespace, ports=str(closed_port))
    sock = forwarding.socket(closed_port)
    sock.setblocking(True)
    sock.settimeout(30)
    try:
        data = sock.recv(10)
    except OSError:  # the client closes its side of the pair as soon as it reads the error
        data = b""
    deadline = time.monotonic() + 10
    while forwarding.error(closed_port) is None and time.monotonic() < deadline:
        time.sleep(0.05)
    return {"bytes": len(data), "error": str(forwarding.error(closed_port))}


def logs():
    return {"log": core.read_namespaced_pod_log("box", namespace, container="beside", tail_lines=1)}


def delete_them():
    core.delete_collection_namespaced_config_map(namespace, label_selector="by=python")
    left = core.list_namespaced_config_map(namespace, label_selector="by=python")
    return {"left": len(left.items)}


OPERATIONS = {
    "create and list": create_and_list,
    "patch: merge, JSON, apply": patch,
    "replace, and a conflict": replace_and_conflict,
    "read what is missing": missing,
    "a deployment and its scale": workload,
    "watch": watching,
    "watch from a version long ago": watch_of_an_old_version,
    "log": logs,
    "exec: exit code": exec_exit_code,
    "exec: plain": exec_plain,
    "exec: input": exec_with_input,
    "exec: output": exec_with_output,
    "exec: a container that is missing": exec_in_a_missing_container,
    "port-forward": forward,
    "port-forward: a closed port": forward_to_a_closed_port,
    "delete a collection": delete_them,
}

for name, operation in OPERATIONS.items():
    try:
        print(json.dumps({"name": name, "facts": operation()}), flush=True)
    except Exception as error:  # pylint: disable=broad-except
        print(json.dumps({"name": name, "error": f"{type(error).__name__}: {error}"}), flush=True)
