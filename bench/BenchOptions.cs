using System.Globalization;

namespace OrleansCache.Bench;

/// <summary>What to measure and with what. <c>eng/bench</c> fills in the places.</summary>
internal sealed record BenchOptions
{
    public int Runs { get; private init; } = 5;

    public bool Check { get; private init; }

    public bool Json { get; private init; }

    /// <summary>Of <c>gc</c>: the largest graph, in nodes.</summary>
    public int? Largest { get; private init; }

    /// <summary>Of <c>cluster</c>: less of everything, to see that it runs.</summary>
    public bool Quick { get; private init; }

    /// <summary>Of <c>cluster</c>: the part that is measured; all of them.</summary>
    public ClusterPart? Only { get; private init; }

    /// <summary>Of <c>membership</c>: how long it is watched.</summary>
    public double Minutes { get; private init; } = 10;

    /// <summary>Of <c>membership</c>: processes that are busy meanwhile.</summary>
    public int Busy { get; private init; } = 16;

    /// <summary>Of <c>stream</c>: how many paths come.</summary>
    public int Paths { get; private init; } = 3000;

    /// <summary>Of <c>push</c>: what is measured beside our own protocol.</summary>
    public PushProtocol Protocol { get; private init; }

    /// <summary>Of <c>push --protocol niks3</c>: the program.</summary>
    public string Niks3Client { get; private init; } = "";

    public bool UseS3 { get; private init; }

    /// <summary>Of <c>push</c>: compare the policies of verification.</summary>
    public bool ComparesVerification { get; private init; }

    /// <summary>Of <c>push</c>: compare a cache with an upstream with one that has none.</summary>
    public bool ComparesUpstreams { get; private init; }

    /// <summary>Of <c>push</c>: compare a token of an issuer with one of the server.</summary>
    public bool ComparesCredentials { get; private init; }

    /// <summary>A folder for everything that is written; on the disk.</summary>
    public string Work { get; private init; } = "";

    /// <summary>A folder in memory, for the NARs of the machine's limit.</summary>
    public string Memory { get; private init; } = "";

    /// <summary>What <c>eng/closures</c> printed.</summary>
    public string Closures { get; private init; } = "";

    /// <summary>The folder with <c>orleans-cache</c> and <c>orleans-cache-server</c>.</summary>
    public string Programs { get; private init; } = "";

    /// <summary>The folder with another build's, for <c>--against</c>; or nothing.</summary>
    public string Against { get; private init; } = "";

    /// <summary>These are the options for the build that ours is measured against.</summary>
    public bool IsTheirs { get; private init; }

    /// <summary>A command that runs a program of a newer Nix, or nothing.</summary>
    public IReadOnlyList<string> NewerNix { get; private init; } = [];

    public string Client => Path.Combine(Programs, "orleans-cache");

    public string Server => Path.Combine(Programs, "orleans-cache-server");

    /// <summary>Members of a cluster have a program of their own: a build from before there was one program.</summary>
    private bool HasSiloProgram => File.Exists(Path.Combine(Programs, "orleans-cache-silo"));

    /// <summary>The program of a member of a cluster, and what makes it one.</summary>
    public (string Program, string[] Options) Member => HasSiloProgram
        ? (Path.Combine(Programs, "orleans-cache-silo"), ["--silo-port", "0"])
        : (Server, ["--cluster-id", "orleans-cache", "--silo-plain", "--silo-port", "0"]);

    /// <summary>The program of a gateway without a silo, and what makes it one.</summary>
    public (string Program, string[] Options) Gateway => (Server, HasSiloProgram ? [] : ["--no-silo"]);

    /// <summary>The same with the programs of <see cref="Against"/>, in a folder of their own.</summary>
    public BenchOptions Theirs() => this with
    {
        Programs = Against,
        Work = Directory.CreateDirectory(Path.Combine(Work, "theirs")).FullName,
        IsTheirs = true
    };

    /// <summary>The same in a folder below.</summary>
    public BenchOptions Below(string folder) => this with
    {
        Work = Directory.CreateDirectory(Path.Combine(Work, folder)).FullName
    };

    /// <exception cref="BenchException">An argument is unknown or wrong.</exception>
    public static BenchOptions Parse(IReadOnlyList<string> arguments)
    {
        var options = new BenchOptions();
        var left = new Queue<string>(arguments);
        while (left.TryDequeue(out var argument))
        {
            options = argument switch
            {
                "--check" => options with { Check = true },
                "--json" => options with { Json = true },
                "--quick" => options with { Quick = true },
                "--verify" => options with { ComparesVerification = true },
                "--upstream" => options with { ComparesUpstreams = true },
                "--credential" => options with
                {
                    ComparesCredentials = Value() == "oidc" ? true : throw new BenchException("--credential is oidc.")
                },
                "--runs" => options with
                {
                    Runs = int.TryParse(Value(), CultureInfo.InvariantCulture, out var runs) && runs > 0 ? runs
                    : throw new BenchException("--runs wants a number from 1.")
                },
                "--paths" => options with
                {
                    Paths = int.TryParse(Value(), CultureInfo.InvariantCulture, out var paths) && paths >= 20 ? paths
                    : throw new BenchException("--paths wants a number from 20.")
                },
                "--store" => options with
                {
                    UseS3 = Value() switch
                    {
                        "s3" => true,
                        "directory" => false,
                        _ =>
                    throw new BenchException("--store is directory or s3.")
                    }
                },
                "--largest" => options with
                {
                    Largest = int.TryParse(Value(), CultureInfo.InvariantCulture, out var nodes) && nodes > 0
                    ? nodes : throw new BenchException("--largest wants a number of nodes.")
                },
                "--only" => options with
                {
                    Only = Value() switch
                    {
                        "small" => ClusterPart.Small,
                        "news" => ClusterPart.News,
                        "runners" => ClusterPart.Runners,
                        "overlap" => ClusterPart.Overlap,
                        _ => throw new BenchException("--only is small, news, runners or overlap.")
                    }
                },
                "--minutes" => options with
                {
                    Minutes = double.TryParse(Value(), CultureInfo.InvariantCulture, out var minutes)
                    && minutes > 0 ? minutes : throw new BenchException("--minutes wants a number above 0.")
                },
                "--busy" => options with
                {
                    Busy = int.TryParse(Value(), CultureInfo.InvariantCulture, out var busy) && busy >= 0 ? busy
                    : throw new BenchException("--busy wants a number of processes.")
                },
                "--protocol" => options with
                {
                    Protocol = Value() switch
                    {
                        "v1" => PushProtocol.V1,
                        "niks3" => PushProtocol.Niks3,
                        "nix" =>
                    PushProtocol.Nix,
                        _ => throw new BenchException("--protocol is v1, niks3 or nix.")
                    }
                },
                "--niks3-client" => options with { Niks3Client = Value() },
                "--work" => options with { Work = Value() },
                "--memory" => options with { Memory = Value() },
                "--closures" => options with { Closures = Value() },
                "--programs" => options with { Programs = Value() },
                "--against" => options with { Against = Value() },
                "--newer-nix" => options with { NewerNix = Value().Split(' ', StringSplitOptions.RemoveEmptyEntries) },
                _ => throw new BenchException($"{argument} is unknown."),
            };

            string Value() => left.TryDequeue(out var value) ? value : throw new BenchException($"{argument} wants a value.");
        }

        return options;
    }
}

/// <summary>What <c>cluster</c> measures of each fleet.</summary>
internal enum ClusterPart
{
    /// <summary>A known closure, and closures of few small paths.</summary>
    Small,

    /// <summary>How soon who waits learns of others' doings.</summary>
    News,

    /// <summary>One runner, and a hundred with the same closure.</summary>
    Runners,

    /// <summary>A hundred whose closures share most of their paths.</summary>
    Overlap,
}

/// <summary>The protocols by which a closure gets into the cache.</summary>
internal enum PushProtocol
{
    /// <summary>Our own, beside stock Nix and the machine's limit.</summary>
    V1,

    /// <summary>That of niks3's clients.</summary>
    Niks3,

    /// <summary>Stock <c>nix copy</c> over HTTP.</summary>
    Nix,
}
