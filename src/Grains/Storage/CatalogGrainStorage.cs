using Orleans.Storage;

namespace OrleansCache.Grains;

/// <summary>
/// Orleans' storage over the catalog, for states that are <see cref="ICatalogState"/>. Which state it is, its type says; the ETag is the
/// version of its rows. Core owns every statement, so any number of activations and servers without grains are right together.
/// </summary>
internal sealed class CatalogGrainStorage(ServicesByScope services) : IGrainStorage
{
    public const string Name = "catalog";

    public async Task ReadStateAsync<T>(string stateName, GrainId grainId, IGrainState<T> grainState)
    {
        var (state, key) = Parse(grainId, grainState);
        await state.ReadAsync(services.Of(key), key);
        Note(grainState, state);
    }

    /// <exception cref="InconsistentStateException">The rows have changed since they were read, and nothing was done.</exception>
    public async Task WriteStateAsync<T>(string stateName, GrainId grainId, IGrainState<T> grainState)
    {
        var (state, key) = Parse(grainId, grainState);
        if (!await state.ChangeAsync(services.Of(key), key))
            throw new InconsistentStateException($"State '{stateName}' of '{key}' has changed in the catalog.", "newer", grainState.ETag);
        Note(grainState, state);
    }

    public Task ClearStateAsync<T>(string stateName, GrainId grainId, IGrainState<T> grainState) =>
        throw new NotSupportedException($"State '{stateName}' is rows of the catalog: a deletion is a change like any other.");

    private static (ICatalogState State, GrainKey Key) Parse<T>(GrainId grain, IGrainState<T> grainState) => (
        grainState.State as ICatalogState ?? throw new NotSupportedException($"The catalog has no rows for a {typeof(T).Name}."),
        GrainKey.Parse(grain.Key.ToString()!));

    private static void Note<T>(IGrainState<T> grainState, ICatalogState state) =>
        (grainState.ETag, grainState.RecordExists) = (state.Version, state.Version is not null);
}
