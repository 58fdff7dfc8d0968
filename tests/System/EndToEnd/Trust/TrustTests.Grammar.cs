using System.Globalization;
using System.Net;
using System.Security.Cryptography;
using OrleansCache.Testing;
using Xunit;
using static OrleansCache.EndToEnd.Tests.Trust.Protocol;

namespace OrleansCache.EndToEnd.Tests.Trust;

/// <summary>H6, H8 and the first of L: what goes into narinfos, keys and the catalog has one form.</summary>
public sealed partial class TrustTests
{
    private const int Many = 2_000;

    [Theory]
    [OnFolder([V1, NixCopy])]
    [OnBucket([V1, NixCopy])]
    public async Task A_live_path_takes_signatures_of_unknown_keys_from_its_publisher_only(StoreKind store, Protocol m)
    {
        var server = await servers.On(store);
        var (M, V, _) = await server.PublishersAsync();
        var path = TrustPath.Make("honest");
        await V.PushAsync(V1, path);
        var (foreign, own) = (Signature("foreign-1"), Signature("own-1"));

        await AddSignaturesAsync(M, m, path, foreign);
        await AddSignaturesAsync(V, V1, path, own);

        var info = await server.Reader.NarInfoAsync(path);
        Assert.DoesNotContain(foreign, info!.Signatures);
        Assert.Contains(own, info.Signatures);
        await server.Reader.AssertWholeAsync(path);
    }

    [Theory]
    [OnFolder([V1, NixCopy])]
    [OnBucket([V1, NixCopy])]
    public async Task A_live_path_does_not_grow_by_the_signatures_of_others(StoreKind store, Protocol m)
    {
        var server = await servers.On(store);
        var (M, V, _) = await server.PublishersAsync();
        var path = TrustPath.Make("honest");
        await V.PushAsync(V1, path);

        await AddSignaturesAsync(M, m, path, [.. Enumerable.Range(0, Many).Select(i => Signature($"foreign-{i}"))]);

        await server.Reader.AssertWholeAsync(path);
    }

    [Theory]
    [OnFolder]
    [OnBucket]
    public async Task A_live_path_stays_readable_whatever_is_called_a_signature(StoreKind store)
    {
        var server = await servers.On(store);
        var (M, V, _) = await server.PublishersAsync();
        var path = TrustPath.Make("honest");
        await V.PushAsync(V1, path);

        foreach (var signature in BrokenSignatures())
            await AddSignaturesAsync(M, V1, path, signature);

        await server.Reader.AssertWholeAsync(path);
    }

    [Theory]
    [OnFolder([V1, Niks3])]
    [OnBucket([V1, Niks3])]
    public async Task A_new_path_has_canonical_signatures_or_none(StoreKind store, Protocol m)
    {
        var server = await servers.On(store);
        var M = await server.PublisherAsync("push");
        var paths = BrokenSignatures().Select(signature => TrustPath.Make("own") with { Signatures = [signature] }).ToList();

        foreach (var path in paths)
            await Pushing.TryAsync(() => M.PushAsync(m, path));

        await Assert.AllAsync(paths, server.Reader.NarInfoAsync);
    }

    [Theory]
    [OnFolder([V1, Niks3, NixCopy])]
    [OnBucket([V1, Niks3, NixCopy])]
    public async Task A_new_path_has_few_signatures(StoreKind store, Protocol m)
    {
        var server = await servers.On(store);
        var M = await server.PublisherAsync("push");
        var path = TrustPath.Make("own") with { Signatures = [.. Enumerable.Range(0, Many).Select(i => Signature($"foreign-{i}"))] };

        await Pushing.TryAsync(() => M.PushAsync(m, path));

        await server.Reader.NarInfoAsync(path);
    }

    [Theory]
    [OnFolder([V1, Niks3, NixCopy])]
    [OnBucket([V1, Niks3, NixCopy])]
    public async Task A_new_path_has_a_content_address_of_the_one_form_or_none(StoreKind store, Protocol m)
    {
        var server = await servers.On(store);
        var M = await server.PublisherAsync("push");
        // Lines cannot be broken in a narinfo that a client writes.
        string[] forms = ["whatever", "fixed:r:sha256:é", "fixed:r:sha256:0 1", .. m == NixCopy ? Array.Empty<string>()
            : ["text:sha256:0\nSig: somebody", "text:sha256:0\r\nURL: nar/other", "\t"]];
        var paths = forms.Select(ca => TrustPath.Make("own") with { Ca = ca }).ToList();

        foreach (var path in paths)
            await Pushing.TryAsync(() => M.PushAsync(m, path));

        await Assert.AllAsync(paths, server.Reader.NarInfoAsync);
    }

    [Theory]
    [OnFolder([V1, Niks3])]
    [OnBucket([V1, Niks3])]
    public async Task A_NUL_in_a_field_is_a_bad_request(StoreKind store, Protocol m)
    {
        var server = await servers.On(store);
        var M = await server.PublisherAsync("push");
        var refused = await Pushing.TryAsync(() => M.PushAsync(m, TrustPath.Make("own") with { Ca = "text:sha256:\0" }));

        Assert.Equal(HttpStatusCode.BadRequest, refused?.Status);
    }

    [Theory]
    [OnFolder]
    public async Task A_realisation_that_the_store_cannot_hold_keeps_no_path_from_being_published(StoreKind store)
    {
        var server = await servers.On(store);
        var (M, V, _) = await server.PublishersAsync();
        var path = TrustPath.Make("honest");
        var name = NewPin();
        // A file and a folder of one name.
        List<TrustPath> closure = [path with { Realisation = name }, TrustPath.Make("own") with { Realisation = $"{name}.doi/more" }];
        var root = TrustPath.Make("root") with { References = closure };
        await Pushing.TryAsync(async () =>
        {
            var push = await V1Push.BeginAsync(M, root);
            await push.UploadAsync();
            var commit = V1Push.SendCommitAsync(M, push.Id);
            await Task.WhenAny(commit, Eventually.BecomesTrueAsync(async () => await server.Reader.TextAsync(path.NarInfoKey) is not null));
        });

        await EndsAsync(V.PushAsync(V1, path), path);

        await server.Reader.AssertWholeAsync(path);
    }

    [Theory]
    [OnFolder(v: [V1, Niks3, NixCopy])]
    public async Task A_key_that_is_made_a_folder_keeps_no_realisation_from_being_published(StoreKind store, Protocol v)
    {
        var server = await servers.On(store);
        var (M, V, _) = await server.PublishersAsync();
        var path = TrustPath.Make("honest") with { Realisation = RealisationId() };
        await Pushing.TryAsync(() => M.PushAsync(V1, TrustPath.Make("own") with { Realisation = $"{path.Realisation}.doi/more" }));

        await EndsAsync(V.PushAsync(v, path), path);

        Assert.Equal(path.RealisationText, await server.Reader.TextAsync($"/realisations/{path.Realisation}.doi"));
        await server.Reader.AssertWholeAsync(path);
    }

    [Theory]
    [OnFolder([V1, Niks3, NixCopy])]
    [OnBucket([V1, Niks3, NixCopy])]
    public async Task A_realisation_is_kept_under_an_id_of_the_one_form_only(StoreKind store, Protocol m)
    {
        var server = await servers.On(store);
        var M = await server.PublisherAsync("push");
        // niks3's clients could not write the first.
        var ids = ((string[])[NewPin(), $"md5:{Guid.NewGuid():n}!out", $"sha256:{Guid.NewGuid():n}!out"]).Skip(m == Niks3 ? 1 : 0).ToList();

        foreach (var id in ids)
            await Pushing.TryAsync(() => M.PushAsync(m, TrustPath.Make("own") with { Realisation = id }));

        await Assert.AllAsync(ids, async id => Assert.Null(await server.Reader.TextAsync($"/realisations/{id}.doi")));
    }

    // A client has more patience than we.
    private static async Task EndsAsync(Task push, TrustPath root)
    {
        await Eventually.BecomesTrueAsync(() => push.IsCompleted, TimeSpan.FromSeconds(20), () => $"the end of the push of {root.Path}");
        await push;
    }

    /// <summary>As Nix names the realisation of an output.</summary>
    private static string RealisationId() => $"sha256:{Convert.ToHexStringLower(RandomNumberGenerator.GetBytes(32))}!out";

    private static string Signature(string key) => $"{key}:{Convert.ToBase64String(RandomNumberGenerator.GetBytes(64))}";

    private static IEnumerable<string> BrokenSignatures()
    {
        var bytes = Convert.ToBase64String(RandomNumberGenerator.GetBytes(64));
        yield return $"two\nlines:{bytes}";
        yield return $"two\rparts:{bytes}";
        yield return $"tab\tbed:{bytes}";
        yield return $"broken:{bytes[..40]}\n{bytes[40..]}";
        yield return $"ended:{bytes}\n";
        yield return $"spaced: {bytes}";
        // The last character has bits that no byte has.
        yield return string.Create(CultureInfo.InvariantCulture, $"loose:{bytes[..85]}{(char)(bytes[85] + 1)}==");
    }

    /// <summary>A push of a path that is there, with more signatures.</summary>
    private static async Task AddSignaturesAsync(Publisher who, Protocol protocol, TrustPath path, params string[] signatures)
    {
        var signed = path with { Signatures = signatures };
        if (protocol == NixCopy)
            await NixPush.PutAsync(who, path.NarInfoKey, NixPush.NarInfo(signed));
        else
            await Pushing.TryAsync(() => who.PushAsync(protocol, signed));
    }
}
