using System.Text.Json;
using OrleansCache.Nix;

namespace OrleansCache.Cli.Push;

/// <summary>The result of a push; <c>--json</c> prints it as one line.</summary>
internal sealed record PushResult
{
    public required string Push { get; init; }

    public IReadOnlyList<StorePath> Roots { get; init; } = [];

    /// <summary>Roots that were named and are not pushed.</summary>
    public IReadOnlyList<LeftOutRoot> LeftOut { get; init; } = [];

    /// <summary>The pin that the commit set.</summary>
    public string? Pin { get; init; }

    public required int Paths { get; init; }

    /// <summary>Paths that the cache had already.</summary>
    public required int Present { get; init; }

    /// <summary>Paths that an upstream of the cache has, and that were not sent.</summary>
    public int Upstream { get; init; }

    /// <summary>NARs that this push uploaded.</summary>
    public required int Uploaded { get; init; }

    /// <summary>Bytes of those NARs, uncompressed.</summary>
    public required long NarBytes { get; init; }

    /// <summary>Bytes of those NARs, compressed.</summary>
    public required long FileBytes { get; init; }

    /// <summary>Paths that this push made live.</summary>
    public required int Published { get; init; }

    public required int Logs { get; init; }

    public required int Realisations { get; init; }

    public required int Reports { get; init; }

    /// <summary>Paths that the cache did not have when the push began.</summary>
    public IReadOnlySet<StorePathHash> Absent { get; init; } = new HashSet<StorePathHash>();

    /// <summary>Paths that the cache has, and keeps, with other contents.</summary>
    public required IReadOnlyList<StorePathHash> Conflicts { get; init; }

    /// <summary>Paths that another trust group published and whose bytes no server has read.</summary>
    public IReadOnlyList<StorePathHash> Unverified { get; init; } = [];

    public TimeSpan PathInfo { get; init; }

    public required TimeSpan Begin { get; init; }

    public required TimeSpan Upload { get; init; }

    public required TimeSpan Commit { get; init; }

    public TimeSpan Total { get; init; }

    public string ToJson()
    {
        using var stream = new MemoryStream();
        using (var json = new Utf8JsonWriter(stream))
        {
            json.WriteStartObject();
            json.WriteString("push", Push);
            json.WriteStartArray("roots");
            foreach (var root in Roots)
                json.WriteStringValue(root.ToString());
            json.WriteEndArray();
            if (Pin is not null)
                json.WriteString("pin", Pin);
            json.WriteNumber("paths", Paths);
            json.WriteNumber("present", Present);
            if (Upstream > 0)
                json.WriteNumber("upstream", Upstream);
            json.WriteNumber("uploaded", Uploaded);
            json.WriteNumber("published", Published);
            json.WriteNumber("narBytes", NarBytes);
            json.WriteNumber("fileBytes", FileBytes);
            json.WriteNumber("logs", Logs);
            json.WriteNumber("realisations", Realisations);
            json.WriteNumber("reports", Reports);
            json.WriteStartArray("conflicts");
            foreach (var conflict in Conflicts)
                json.WriteStringValue(conflict.ToString());
            json.WriteEndArray();
            json.WriteStartArray("unverified");
            foreach (var path in Unverified)
                json.WriteStringValue(path.ToString());
            json.WriteEndArray();
            WriteLeftOut(json, LeftOut);
            json.WriteStartObject("seconds");
            json.WriteNumber("pathInfo", Seconds(PathInfo));
            json.WriteNumber("begin", Seconds(Begin));
            json.WriteNumber("upload", Seconds(Upload));
            json.WriteNumber("commit", Seconds(Commit));
            json.WriteNumber("total", Seconds(Total));
            json.WriteEndObject();
            json.WriteEndObject();
        }

        return System.Text.Encoding.UTF8.GetString(stream.ToArray());
    }

    /// <summary>The line where every root is left out, and nothing was asked of the server.</summary>
    public static string NothingToJson(IReadOnlyList<LeftOutRoot> leftOut)
    {
        using var stream = new MemoryStream();
        using (var json = new Utf8JsonWriter(stream))
        {
            json.WriteStartObject();
            json.WriteStartArray("roots");
            json.WriteEndArray();
            json.WriteNumber("paths", 0);
            WriteLeftOut(json, leftOut);
            json.WriteEndObject();
        }

        return System.Text.Encoding.UTF8.GetString(stream.ToArray());
    }

    private static void WriteLeftOut(Utf8JsonWriter json, IReadOnlyList<LeftOutRoot> leftOut)
    {
        json.WriteStartArray("leftOut");
        foreach (var root in leftOut)
        {
            json.WriteStartObject();
            json.WriteString("path", root.Root.ToString());
            json.WriteString("cause", root.Cause.ToString());
            json.WriteString("why", root.Why);
            json.WriteEndObject();
        }

        json.WriteEndArray();
    }

    private static double Seconds(TimeSpan time) => Math.Round(time.TotalSeconds, 3);
}
