using System.Text.Json;
using System.Text.Json.Nodes;
using OrleansCache.Contracts;
using OrleansCache.Core.Caches;
using OrleansCache.Core.Common;

namespace OrleansCache.Gateway.Hosting;

/// <summary>
/// The file of <c>--caches</c>: JSON, <c>{ "caches": [ { "name": "team", "private": true, … } ] }</c>, each cache with the members of
/// <see cref="CacheSettings"/>.
/// </summary>
internal static class CachesFile
{
    private static readonly JsonDocumentOptions Lenient = new() { CommentHandling = JsonCommentHandling.Skip, AllowTrailingCommas = true };

    /// <exception cref="StartupException">It cannot be read, or something in it is wrong; the message has the place.</exception>
    public static IReadOnlyList<DeclaredCache> Read(string path)
    {
        string text;
        try
        {
            text = File.ReadAllText(path);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw new StartupException($"The file {path} of --caches cannot be read: {e.Message}", e);
        }

        try
        {
            return Read(JsonNode.Parse(text, null, Lenient), Path.GetDirectoryName(Path.GetFullPath(path))!);
        }
        catch (JsonException e)
        {
            throw new StartupException($"The file {path} of --caches is not JSON: {e.Message}", e);
        }
        catch (FormatException e)
        {
            throw new StartupException($"The file {path} of --caches is wrong at {e.Message}", e);
        }
    }

    private static List<DeclaredCache> Read(JsonNode? root, string folder)
    {
        if (root is not JsonObject file || file["caches"] is not JsonArray list || file.Count != 1)
            throw new FormatException("$: an object with the one member 'caches' is wanted, a list of caches.");
        var declared = new List<DeclaredCache>();
        for (var i = 0; i < list.Count; i++)
        {
            var place = $"$.caches[{i}]";
            if (list[i] is not JsonObject item || !item.TryGetPropertyValue("name", out var name))
                throw new FormatException($"{place}: an object with a 'name' is wanted.");
            if (name?.GetValueKind() != JsonValueKind.String || !CacheName.TryParse(name.GetValue<string>(), out var cache))
                throw new FormatException($"{place}.name: 1 to 63 characters of a-z, 0-9 and '-' are wanted, and no '-' at the beginning.");
            if (cache == CacheName.Default)
                throw new FormatException($"{place}.name: the default cache has its settings from the command line.");
            if (declared.Exists(d => d.Name == cache))
                throw new FormatException($"{place}.name: '{cache}' is there twice.");
            declared.Add(new DeclaredCache(cache, Settings(item, place, folder)));
        }

        return declared;
    }

    private static CacheSettings Settings(JsonObject item, string place, string folder)
    {
        var members = (JsonObject)item.DeepClone();
        members.Remove("name");
        try
        {
            var settings = CacheSettingsCheck.Read(members);
            CacheSettingsCheck.Check(settings, fromFile: true);
            // A path is the file's neighbour, wherever the server was started.
            return settings.Keys is null ? settings : settings with { Keys = [.. settings.Keys.Select(k => Path.Combine(folder, k))] };
        }
        catch (CacheProblemException e)
        {
            throw new FormatException($"{place}: {e.Message}", e);
        }
    }
}
