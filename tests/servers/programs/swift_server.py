"""An OpenStack Swift with its s3api on 127.0.0.1, all in one process: swift_server.py FOLDER PORT ACCESS_KEY SECRET."""
import os
import sys

import eventlet

eventlet.monkey_patch(thread=False)

import eventlet.wsgi
from paste.deploy import loadapp
from swift.common import utils
from swift.common.ring import RingBuilder

folder, port, access_key, secret = sys.argv[1:5]
etc, devices = f"{folder}/etc", f"{folder}/srv"
for made in (etc, f"{devices}/d1"):
    os.makedirs(made)

with open(f"{etc}/swift.conf", "w") as conf:
    conf.write("[swift-hash]\nswift_hash_path_prefix = p\nswift_hash_path_suffix = s\n")
    conf.write("[storage-policy:0]\nname = gold\ndefault = yes\n")
utils.SWIFT_CONF_FILE = f"{etc}/swift.conf"
utils.validate_hash_conf()

COMMON = f"[DEFAULT]\nswift_dir = {etc}\ndevices = {devices}\nmount_check = false\nlog_address = /nonexistent\nuser = {os.environ.get('USER', 'root')}\n"


def serve(name, text, listener):
    path = f"{etc}/{name}-server.conf"
    with open(path, "w") as conf:
        conf.write(COMMON + text)
    app = loadapp(f"config:{path}")
    quiet = open(os.devnull, "w")
    eventlet.spawn(eventlet.wsgi.server, listener, app, log=quiet, debug=False)


listeners = {}
for name in ("account", "container", "object"):
    listeners[name] = eventlet.listen(("127.0.0.1", 0))
    builder = RingBuilder(4, 1, 1)
    own = {"id": 0, "region": 1, "zone": 1, "weight": 1, "ip": "127.0.0.1", "device": "d1", "meta": ""}
    own["port"] = listeners[name].getsockname()[1]
    own.update(replication_ip=own["ip"], replication_port=own["port"])
    builder.add_dev(own)
    builder.rebalance()
    builder.get_ring().save(f"{etc}/{name}.ring.gz")

for name, listener in listeners.items():
    serve(name, f"[pipeline:main]\npipeline = {name}-server\n[app:{name}-server]\nuse = egg:swift#{name}\n", listener)

FILTERS = ("catch_errors", "cache", "s3api", "tempauth", "slo", "copy")
OPTIONS = {
    "cache": "memcache_servers = 127.0.0.1:1\n",
    "s3api": "location = us-east-1\n",
    "tempauth": f"user_{access_key.replace(':', '_')} = {secret} .admin\n",
}
proxy = f"[pipeline:main]\npipeline = {' '.join(FILTERS)} proxy-server\n"
proxy += "[app:proxy-server]\nuse = egg:swift#proxy\naccount_autocreate = true\n"
for name in FILTERS:
    use = "memcache" if name == "cache" else name
    proxy += f"[filter:{name}]\nuse = egg:swift#{use}\n{OPTIONS.get(name, '')}"
front = eventlet.listen(("127.0.0.1", int(port)))
serve("proxy", proxy, front)
print("ready", flush=True)
while True:
    eventlet.sleep(3600)
