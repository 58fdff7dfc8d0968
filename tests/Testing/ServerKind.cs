using System.Globalization;

namespace OrleansCache.Testing;

/// <summary>A program that serves, and the options that make it a gateway alone or a member of a cluster.</summary>
public sealed record ServerKind(string Program, IReadOnlyList<string> Options)
{
    /// <summary>A gateway without a silo.</summary>
    public static ServerKind Gateway => new(BuiltProgram.Server, ["--no-silo"]);

    /// <summary>A member of the one cluster of its database.</summary>
    public static ServerKind Member => new(BuiltProgram.Server, ["--cluster-id", "orleans-cache", "--silo-plain", .. SiloPort()]);

    /// <summary>Those of another build, which may be from before there was one program.</summary>
    public static ServerKind Of(string programs, bool isMember)
    {
        var (server, silo) = (Path.Combine(programs, "orleans-cache-server"), Path.Combine(programs, "orleans-cache-silo"));
        if (!File.Exists(silo))
            return (isMember ? Member : Gateway) with { Program = server };
        return isMember ? new ServerKind(silo, SiloPort()) : new ServerKind(server, []);
    }

    private static string[] SiloPort() => ["--silo-port", FreePort.Next().ToString(CultureInfo.InvariantCulture)];
}
