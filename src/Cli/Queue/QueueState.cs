using System.Text.Json;
using System.Text.Json.Serialization;
using OrleansCache.Cli.Common;

namespace OrleansCache.Cli.Queue;

/// <summary>What a queue's daemon remembers beside the spool; it replaces the file as a whole.</summary>
internal sealed record QueueState
{
    /// <summary>So many of what will not be pushed are named, the newest.</summary>
    private const int MaxNamed = 100;

    /// <summary>
    /// The id in Nix's database up to which all that was built here is in the cache, named here, or held here. Null: never looked.
    /// </summary>
    public long? Watermark { get; set; }

    public long Published { get; set; }

    public long Present { get; set; }

    public long LeftOut { get; set; }

    public long Lost { get; set; }

    public long GivenUp { get; set; }

    /// <summary>What will not be pushed, the newest last.</summary>
    public List<NamedPath> Named { get; set; } = [];

    /// <summary>Paths that could not be pushed while others could.</summary>
    public Dictionary<string, HeldPath> Held { get; set; } = [];

    /// <summary>Why nothing can be pushed now.</summary>
    public Trouble? Trouble { get; set; }

    /// <summary>Paths that wait without a file in the spool, as they were found in Nix's database.</summary>
    public int Found { get; set; }

    /// <summary>The word of the last flush of which everything has been tried.</summary>
    public string? Flushed { get; set; }

    /// <exception cref="CliException">It cannot be read.</exception>
    public static QueueState Load(string file)
    {
        try
        {
            return File.Exists(file) ? JsonSerializer.Deserialize(File.ReadAllBytes(file), QueueJson.Default.QueueState) ?? new QueueState()
                : new QueueState();
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException or JsonException)
        {
            throw new CliException(ExitCodes.Failed, $"{file} cannot be read: {e.Message}. Without the file the queue begins anew: what " +
                "hooks queued is kept, and what they missed until now is not looked for.", e);
        }
    }

    public byte[] ToBytes() => JsonSerializer.SerializeToUtf8Bytes(this, QueueJson.Default.QueueState);

    public void Name(NamedPath path)
    {
        Named.Add(path);
        if (Named.Count > MaxNamed)
            Named.RemoveRange(0, Named.Count - MaxNamed);
    }
}

/// <summary>A path that will not be pushed.</summary>
/// <param name="What"><c>lost</c>, <c>left-out</c> or <c>given-up</c>.</param>
internal sealed record NamedPath(string Path, string What, string Why, DateTimeOffset Time);

/// <summary>A path that could not be pushed, and when it is tried again.</summary>
internal sealed record HeldPath(DateTimeOffset Since, int Tries, DateTimeOffset Next, string Why);

/// <summary>What keeps everything from being pushed, and when that is tried again.</summary>
internal sealed record Trouble(DateTimeOffset Since, int Tries, DateTimeOffset Next, string Why);

[JsonSourceGenerationOptions(PropertyNamingPolicy = JsonKnownNamingPolicy.CamelCase, WriteIndented = true,
    DefaultIgnoreCondition = JsonIgnoreCondition.WhenWritingNull)]
[JsonSerializable(typeof(QueueState))]
internal sealed partial class QueueJson : JsonSerializerContext;
