using OrleansCache.Testing;

namespace OrleansCache.Deploy.Tests;

/// <summary>A copy of the bare Debian that <c>eng/test</c> makes, with a /nix, a /tmp and a /dev of its own.</summary>
internal sealed class DebianRoot : IAsyncDisposable
{
    // Of this machine it sees what no package brings: processes, devices, and .NET where the programs are not the shipped ones.
    private const string Enter = """
        root=$1; shift
        mount --rbind /proc "$root/proc"; mount --rbind /dev "$root/dev"
        if [ -d /usr/share/dotnet ]; then mkdir -p "$root/usr/share/dotnet"; mount --rbind /usr/share/dotnet "$root/usr/share/dotnet"; fi
        exec chroot "$root" "$@"
        """;

    private readonly TempFolder _folder = new("oc-debian-");

    private DebianRoot()
    {
    }

    /// <summary>Null when there is one to copy, else why not.</summary>
    public static string? MissingReason =>
        Environment.UserName != "root" ? "only root can enter another root"
        : Programs.Missing("dpkg-deb", "objdump", "unshare") is { } missing ? missing
        : Original is null ? "ORLEANS_CACHE_TEST_DEBIAN names no folder (eng/test as root makes one)"
        : null;

    private static string? Original =>
        Environment.GetEnvironmentVariable("ORLEANS_CACHE_TEST_DEBIAN") is { Length: > 0 } named ? named : null;

    public string Path => _folder["root"];

    public string this[string path] => System.IO.Path.Combine(Path, path.TrimStart('/'));

    public static async Task<DebianRoot> MakeAsync()
    {
        var made = new DebianRoot();
        (await ProcessRunner.RunAsync("cp", ["-a", "--reflink=auto", Original!, made.Path])).OrThrow();
        // Without a service manager nothing may be started by packages.
        await File.WriteAllTextAsync(made["usr/sbin/policy-rc.d"], "#!/bin/sh\nexit 101\n");
        (await ProcessRunner.RunAsync("chmod", ["755", made["usr/sbin/policy-rc.d"]])).OrThrow();
        return made;
    }

    public Task<ProcessResult> RunAsync(string script) =>
        ProcessRunner.RunAsync("unshare", Arguments("/bin/bash", "-euc", $"cd /root; {script}"), CleanEnvironment(new()));

    /// <summary>Starts what a unit says, as its user, with its state folder; systemd's limits are left out.</summary>
    public async Task<ProcessRunner> StartAsync(SystemdUnit unit)
    {
        var user = unit.User ?? "root";
        var state = $"/var/lib/{unit.StateDirectory}";
        (await RunAsync($"install -d -m {unit.Last("StateDirectoryMode")} -o {user} -g {user} {state}")).OrThrow();
        return ProcessRunner.Start("unshare",
            Arguments(["setpriv", $"--reuid={user}", $"--regid={user}", "--clear-groups", "--no-new-privs", .. unit.Command]),
            CleanEnvironment(unit.Environment(Path)), folder: "/", signalAtExit: "TERM");
    }

    /// <summary>Every file, link and folder with its mode, owner and size, but for what apt, dpkg and Nix keep for themselves.</summary>
    public async Task<SortedSet<string>> ListAsync()
    {
        const string Own = "-path ./var/lib/dpkg -o -path ./var/lib/apt -o -path ./var/cache -o -path ./var/log -o -path ./proc"
            + " -o -path ./dev -o -path ./usr/share/dotnet -o -path ./root/.cache -o -path ./nix";
        var all = await ProcessRunner.RunAsync("bash",
            ["-c", $"cd \"$0\" && find . -xdev \\( {Own} \\) -prune -o \\( -type d -printf '%p %m\\n' -o -printf '%p %m %s\\n' \\)", Path]);
        return new SortedSet<string>(all.OrThrow().Lines, StringComparer.Ordinal);
    }

    public ValueTask DisposeAsync()
    {
        _folder.Dispose();
        return ValueTask.CompletedTask;
    }

    private string[] Arguments(params string[] command) =>
        ["--mount", "--propagation", "private", "bash", "-ec", Enter, "bash", Path, .. command];

    private static Dictionary<string, string?> CleanEnvironment(Dictionary<string, string> more)
    {
        var environment = Environment.GetEnvironmentVariables().Keys.Cast<string>().ToDictionary(name => name, string? (_) => null);
        environment["PATH"] = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";
        environment["HOME"] = "/root";
        environment["LC_ALL"] = "C.UTF-8";
        environment["DEBIAN_FRONTEND"] = "noninteractive";
        // Debian's package nix-setup-systemd makes users that build.
        environment["NIX_CONFIG"] = "build-users-group =\nsandbox = false";
        foreach (var (name, value) in more)
            environment[name] = value;
        return environment;
    }
}

/// <summary>A test that installs packages in a <see cref="DebianRoot"/>; skipped, with the reason, where none can be had.</summary>
public sealed class DebianFactAttribute : FactAttribute
{
    public DebianFactAttribute(bool isLong = false) => Skip = DebianRoot.MissingReason ?? (isLong ? FullTests.MissingReason : null);
}
