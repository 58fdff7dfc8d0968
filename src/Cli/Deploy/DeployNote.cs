using System.Text.Json;
using System.Text.Json.Serialization;
using OrleansCache.Cli.Common;
using OrleansCache.Contracts;

namespace OrleansCache.Cli.Deploy;

/// <summary>
/// What a machine remembers beside a profile; it replaces the file as a whole, before each step that another run must know of.
/// </summary>
internal sealed record DeployNote
{
    /// <summary>The path that was deployed last and worked.</summary>
    public string? Deployed { get; set; }

    /// <summary>The path before that, to which a deployment that stops working goes back; null: none.</summary>
    public string? Former { get; set; }

    /// <summary>Its generation.</summary>
    public int? FormerGeneration { get; set; }

    /// <summary>The switch that is under way, or was when a run was killed.</summary>
    public SwitchNote? UnderWay { get; set; }

    /// <summary>What failed, and is not tried again.</summary>
    public FailedNote? Failed { get; set; }

    /// <summary>The last attempt that the server has not been told of.</summary>
    public DeploymentReport? Unsent { get; set; }

    /// <summary>When the server was last told.</summary>
    public DateTimeOffset? Reported { get; set; }

    /// <exception cref="CliException">It cannot be read.</exception>
    public static DeployNote Load(string file)
    {
        try
        {
            return File.Exists(file) && JsonSerializer.Deserialize(File.ReadAllBytes(file), DeployJson.Default.DeployNote) is { } note
                ? note : new DeployNote();
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException or JsonException)
        {
            throw new CliException(ExitCodes.Failed, $"{file} cannot be read: {e.Message}. Without the file the pin is deployed as if for " +
                "the first time, over whatever the profile has.", e);
        }
    }

    public void Save(string file) => PrivateFile.Write(file, JsonSerializer.SerializeToUtf8Bytes(this, DeployJson.Default.DeployNote));
}

/// <summary>A switch from one path to another.</summary>
internal sealed record SwitchNote
{
    public required string Path { get; init; }

    public long? Revision { get; init; }

    /// <summary>The path before; null: the profile had none.</summary>
    public string? Former { get; init; }

    /// <summary>The generation before.</summary>
    public int? FormerGeneration { get; init; }

    /// <summary>Why the former path is being brought back; null: it is not.</summary>
    public string? Fault { get; init; }

    /// <summary>Runs that have begun this; one that was killed does not come back to tell.</summary>
    public int Tries { get; init; } = 1;

    /// <summary>The process of the command that runs, which may outlive a killed run.</summary>
    public int? Process { get; init; }

    /// <summary>When that process began, in ticks since boot, which tells it from a later one of that number.</summary>
    public string? ProcessStart { get; init; }
}

/// <summary>A revision that failed.</summary>
internal sealed record FailedNote(string Path, long? Revision, string Why, DateTimeOffset Time);

[JsonSourceGenerationOptions(PropertyNamingPolicy = JsonKnownNamingPolicy.CamelCase, WriteIndented = true,
    DefaultIgnoreCondition = JsonIgnoreCondition.WhenWritingNull, Converters = [typeof(StorePathConverter),
        typeof(DeploymentOutcomeConverter)])]
[JsonSerializable(typeof(DeployNote))]
internal sealed partial class DeployJson : JsonSerializerContext;
