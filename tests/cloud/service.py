"""What the file of a service says, and how its process is started."""

import grp
import os
import pwd
import re
import shlex
import shutil
import signal

# `os.execvpe` imports it, and on a machine there is nothing to import it from.
import warnings  # noqa: F401

FOLDER = "/etc/systemd/system"

# The first of the users that systemd makes for `DynamicUser=`.
DYNAMIC_USER = 61184

STATE_FOLDERS = {
    "StateDirectory": "/var/lib",
    "CacheDirectory": "/var/cache",
    "LogsDirectory": "/var/log",
    "RuntimeDirectory": "/run",
    "ConfigurationDirectory": "/etc",
}

# Keys of `[Service]` that systemd knows, by how they begin.
KNOWN = re.compile(
    "Ambient|AppArmor|Bind|CPU|Cache|Capability|Configuration|Delegate|Device|Dynamic|Environment|"
    "Exec|Group|IO|IPAddress|Inaccessible|Keyring|Kill|Limit|Load|Lock|Log|MemoryDeny|Memory|Mount|"
    "Nice|NoNewPriv|Notify|OOM|PassEnv|Personality|Private|Proc|Protect|Read|RemainAfter|RemoveIPC|"
    "Restart|Restrict|RuntimeDirectory|SecureBits|SetCredential|Slice|Standard|StartLimit|State|"
    "Success|Supplementary|Syslog|SystemCall|Tasks|TemporaryFile|Timeout|Type|UMask|User|Watchdog|"
    "Working"
)


class Unit:
    """A service: what its file says, and its process."""

    def __init__(self, name, settings):
        self.name = name
        self.settings = settings
        self.process = None
        self.state = "inactive"
        self.restart_at = None
        self.kill_at = None
        # What is left of `ExecStartPre=` and `ExecStart=`.
        self.commands = []
        # Who waits until it has ended: of `systemctl stop`, or `start` of one that runs once.
        self.waiting = []

    def last(self, key, default=None):
        return self.settings.get(key, [default])[-1]

    def is_on(self, key):
        return self.last(key, "no") in ("yes", "true", "on", "1")

    def seconds(self, key, default):
        text = self.last(key)
        if text is None:
            return default
        number, unit = re.fullmatch(r"([\d.]+)\s*(ms|s|sec|min|m|)", text).groups()
        return float(number) * {"ms": 0.001, "min": 60, "m": 60}.get(unit, 1)

    def restarts_after(self, code):
        wish = self.last("Restart", "no")
        failed = code not in (0, -signal.SIGTERM, -signal.SIGINT, -signal.SIGHUP)
        return wish == "always" or failed and wish in ("on-failure", "on-abnormal", "on-abort")


def parse(name, say):
    """The settings of `[Service]`; an empty value forgets what came before, as systemd has it."""
    settings, section = {}, ""
    with open(f"{FOLDER}/{name}") as file:
        text = file.read().replace("\\\n", " ")
    for line in map(str.strip, text.splitlines()):
        if line.startswith("["):
            section = line
        elif "=" in line and line[0] not in "#;" and section == "[Service]":
            key, value = (part.strip() for part in line.split("=", 1))
            if not KNOWN.match(key):
                say(f"{name}: `{key}` is not known to this machine")
            settings[key] = settings.get(key, []) + [value] if value else []
    if not settings.get("ExecStart"):
        raise ValueError(f"{name} has no ExecStart=")
    return {key: values for key, values in settings.items() if values}


def commands(unit):
    return unit.settings.get("ExecStartPre", []) + unit.settings["ExecStart"]


def spawn(unit, command, environment):
    """Starts `command` as the unit says. What cannot be done ends the child with systemd's 203."""
    environment = environment | variables(unit)
    identity = identity_of(unit)
    environment |= make_folders(unit, identity) | load_credentials(unit, identity)
    if unit.last("User"):
        environment |= {"USER": identity[2], "LOGNAME": identity[2]}
    # What is marked by a plus runs with all rights.
    prefix = command[: len(command) - len(command.lstrip("-@:+!"))]
    arguments = words_of(command[len(prefix) :], unit, environment)
    arguments = arguments if "+" in prefix else as_user(unit, identity) + arguments
    child = os.fork()
    if child:
        return child
    try:
        os.setsid()
        os.chdir(unit.last("WorkingDirectory", "/").lstrip("-"))
        program = shutil.which(arguments[0], path=environment["PATH"])
        os.execve(program or arguments[0], arguments, environment)
    except OSError as error:
        print(f"{unit.name}: {arguments[0]}: {error}", flush=True)
    finally:
        os._exit(203)


def variables(unit):
    found = {}
    for path in unit.settings.get("EnvironmentFile", []):
        if os.path.exists(path.lstrip("-")) or not path.startswith("-"):
            with open(path.lstrip("-")) as file:
                lines = [line for line in file.read().splitlines() if line and line[0] not in "#;"]
            found |= dict(shlex.split(line)[0].split("=", 1) for line in lines)
    for line in unit.settings.get("Environment", []):
        found |= dict(part.split("=", 1) for part in shlex.split(expand(line, unit)))
    return found


def expand(text, unit):
    """The specifiers of a line."""
    instance = unit.name.partition("@")[2].rpartition(".")[0]
    known = {"%%": "%", "%n": unit.name, "%i": instance, "%t": "/run", "%S": "/var/lib"}
    known |= {"%d": credentials_folder(unit), "%H": os.uname().nodename}
    return re.sub("%.", lambda found: known[found.group()], text)


def words_of(command, unit, environment):
    """A command line as systemd reads it: `${NAME}` is put in, and `$NAME` becomes its words."""
    words = []
    for word in shlex.split(expand(command, unit)):
        if re.fullmatch(r"\$\w+", word):
            words += environment.get(word[1:], "").split()
        else:
            words.append(re.sub(r"\$\{(\w+)\}", lambda f: environment.get(f[1], ""), word))
    return words


def identity_of(unit):
    """User id, group id and name."""
    name = unit.last("User")
    if unit.is_on("DynamicUser"):
        return DYNAMIC_USER, DYNAMIC_USER, name or unit.name.partition(".")[0]
    if name is None:
        return 0, 0, "root"
    user = pwd.getpwuid(int(name)) if name.isdigit() else pwd.getpwnam(name)
    group = unit.last("Group")
    return user.pw_uid, grp.getgrnam(group).gr_gid if group else user.pw_gid, user.pw_name


def as_user(unit, identity):
    user, group, _ = identity
    if user == 0:
        return []
    words = ["setpriv", "--reuid", str(user), "--regid", str(group), "--clear-groups"]
    rights = unit.last("AmbientCapabilities")
    if rights:
        rights = ",".join(f"+{right.removeprefix('CAP_').lower()}" for right in rights.split())
        words += ["--inh-caps", rights, "--ambient-caps", rights]
    if unit.is_on("NoNewPrivileges"):
        words.append("--no-new-privs")
    return [*words, "--"]


def make_folders(unit, identity):
    """The folders that systemd makes for a service, and the variables that name them."""
    user, group, _ = identity
    found = {}
    for key, parent in STATE_FOLDERS.items():
        names = [name for line in unit.settings.get(key, []) for name in line.split()]
        for name in names:
            path = f"{parent}/{name}"
            os.makedirs(path, exist_ok=True)
            os.chmod(path, int(unit.last(f"{key}Mode", "0755"), 8))
            os.chown(path, user, group)
        if names:
            variable = key.removesuffix("Directory").upper() + "_DIRECTORY"
            found[variable] = ":".join(f"{parent}/{name}" for name in names)
    return found


def load_credentials(unit, identity):
    """`LoadCredential=NAME:PATH`: a copy that only the service can read."""
    lines = unit.settings.get("LoadCredential", [])
    if not lines:
        return {}
    folder = credentials_folder(unit)
    shutil.rmtree(folder, ignore_errors=True)
    os.makedirs(folder, mode=0o700)
    for name, _, path in (line.partition(":") for line in lines):
        shutil.copyfile(path, f"{folder}/{name}")
        os.chmod(f"{folder}/{name}", 0o400)
        os.chown(f"{folder}/{name}", identity[0], identity[1])
    os.chown(folder, identity[0], identity[1])
    return {"CREDENTIALS_DIRECTORY": folder}


def credentials_folder(unit):
    return f"/run/credentials/{unit.name}"
