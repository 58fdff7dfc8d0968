using System.Net;
using System.Text;
using OrleansCache.Nix;

namespace OrleansCache.Storm;

/// <summary>Reads the bucket as stock Nix does: without credentials, and without any gateway.</summary>
internal sealed class BucketReader(HttpClient http, string bucketUrl, Keyring keys)
{
    /// <summary>Null when it is not there.</summary>
    public async Task<byte[]?> GetAsync(string objectKey, CancellationToken cancellationToken)
    {
        using var answer = await http.GetAsync(new Uri($"{bucketUrl}/{objectKey}"), cancellationToken);
        if (answer.StatusCode == HttpStatusCode.NotFound)
            return null;
        answer.EnsureSuccessStatusCode();
        return await answer.Content.ReadAsByteArrayAsync(cancellationToken);
    }

    /// <summary>Null when it is not there.</summary>
    public async Task<long?> SizeAsync(string objectKey, CancellationToken cancellationToken)
    {
        using var request = new HttpRequestMessage(HttpMethod.Head, new Uri($"{bucketUrl}/{objectKey}"));
        using var answer = await http.SendAsync(request, cancellationToken);
        if (answer.StatusCode == HttpStatusCode.NotFound)
            return null;
        answer.EnsureSuccessStatusCode();
        return answer.Content.Headers.ContentLength;
    }

    public async Task<NarInfo?> NarInfoAsync(StorePathHash path, CancellationToken cancellationToken) =>
        await GetAsync($"{path}.narinfo", cancellationToken) is { } bytes ? NarInfo.Parse(Encoding.UTF8.GetString(bytes)) : null;

    /// <summary>The first thing that Nix would not get of a closure, or would not take; null when there is none.</summary>
    /// <param name="readNars">Fetch and check every NAR; else look only whether it is there.</param>
    public async Task<string?> FindHoleAsync(StorePathHash root, bool readNars, CancellationToken cancellationToken)
    {
        var seen = new HashSet<StorePathHash> { root };
        var left = new Stack<(StorePathHash Path, string Why)>([(root, "the root")]);
        while (left.TryPop(out var next))
        {
            if (await NarInfoAsync(next.Path, cancellationToken) is not { } info)
                return $"{next.Path}.narinfo is not there ({next.Why})";
            if (!keys.Verifies(info))
                return $"{next.Path}.narinfo is not signed";
            if (await FindWrongNarAsync(info, readNars, cancellationToken) is { } wrong)
                return wrong;
            foreach (var reference in info.References)
            {
                if (seen.Add(reference.Hash))
                    left.Push((reference.Hash, $"{info.StorePath.BaseName} refers to it"));
            }
        }

        return null;
    }

    public async Task<string?> FindWrongNarAsync(NarInfo info, bool readNar, CancellationToken cancellationToken)
    {
        if (!readNar)
            return await SizeAsync(info.Url, cancellationToken) is var size && size == info.FileSize ? null
                : $"{info.Url} of {info.StorePath.BaseName} has {(size is null ? "no" : $"{size}")} bytes instead of {info.FileSize}";
        if (await GetAsync(info.Url, cancellationToken) is not { } file)
            return $"{info.Url} of {info.StorePath.BaseName} is not there";
        // Who does not tell the file's hash (niks3) has a narinfo without one.
        if (file.Length != info.FileSize || (info.FileHash is { } hash && Sha256Hash.Compute(file) != hash))
            return $"{info.Url} of {info.StorePath.BaseName} is not what FileHash and FileSize say";
        var nar = info.Compression == "none" ? file : Zstd.Decompress(file, checked((int)info.NarSize + 1));
        return nar.Length == info.NarSize && Sha256Hash.Compute(nar) == info.NarHash ? null
            : $"the content of {info.Url} of {info.StorePath.BaseName} is not what NarHash and NarSize say";
    }
}
