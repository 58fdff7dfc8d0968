using Microsoft.Extensions.Logging;
using Orleans.Storage;

namespace OrleansCache.Grains;

/// <summary>
/// Storage for what grains remember and can do without. A document that cannot be read leaves its grain without a memory instead of keeping
/// it asleep. The first write finds that there is a document, as any other on a stale state does.
/// </summary>
/// <param name="rows">The storage that has the documents.</param>
internal sealed partial class DocumentStorage(IGrainStorage rows, ILogger<DocumentStorage> logger) : IGrainStorage
{
    public const string Name = "documents";

    public async Task ReadStateAsync<T>(string stateName, GrainId grainId, IGrainState<T> grainState)
    {
        try
        {
            await rows.ReadStateAsync(stateName, grainId, grainState);
        }
        catch (Exception e)
        {
            LogUnread(stateName, grainId, e.GetBaseException().Message);
            (grainState.ETag, grainState.RecordExists) = (null, false);
        }
    }

    public Task WriteStateAsync<T>(string stateName, GrainId grainId, IGrainState<T> grainState) =>
        rows.WriteStateAsync(stateName, grainId, grainState);

    public Task ClearStateAsync<T>(string stateName, GrainId grainId, IGrainState<T> grainState) =>
        rows.ClearStateAsync(stateName, grainId, grainState);

    [LoggerMessage(LogLevel.Warning, "the {State} of {Grain} cannot be read, and is empty for now: {Reason}")]
    private partial void LogUnread(string state, GrainId grain, string reason);
}
