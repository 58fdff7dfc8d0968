using System.Security.Cryptography;
using System.Text;
using OrleansCache.Contracts;
using OrleansCache.Core.Pushes;
using OrleansCache.Nix;
using OrleansCache.Testing;
using Xunit;

namespace OrleansCache.Core.Tests.Pushes;

/// <summary>Catalogs keep digests: they must stay what they are.</summary>
public class PathDigestTests
{
    [Theory]
    [InlineData(0)]
    [InlineData(3)]
    [InlineData(51)]
    [InlineData(52)]
    [InlineData(2_000)]
    public void It_is_of_all_fields_and_of_references_as_a_set(int references)
    {
        var sorted = Enumerable.Range(0, references).Select(i => World.Hash($"r{i}")).Order().ToList();
        var path = World.Path("a") with
        {
            References = [.. sorted.AsEnumerable().Reverse(), .. sorted.Take(2)],
            Ca = ContentAddress.Parse("fixed:r:sha256:1b8m03r63zqhnjf7l5wnldhh7c134ap5vpj0850ymkq1iyzicy5s")
        };
        using var bytes = new MemoryStream();
        using var writer = new BinaryWriter(bytes);
        writer.Write(path.NarHash.ToArray());
        writer.Write(path.NarSize);
        writer.Write(sorted.Count);
        foreach (var reference in sorted)
            writer.Write(reference.ToArray());
        foreach (var text in new[] { path.Path.Name, path.Ca.ToString()! })
        {
            writer.Write(text.Length);
            writer.Write(Encoding.UTF8.GetBytes(text));
        }

        Assert.Equal(SHA256.HashData(bytes.ToArray())[..16], PathDigest.Of(path));
    }

    [Fact]
    public void Each_field_counts()
    {
        var path = World.Path("a", ["b"]);
        PathDeclaration[] others =
        [
            path with { Path = new StorePath(path.Path.Hash, "other") }, path with { NarHash = World.Path("c").NarHash },
                path with { NarSize = path.NarSize + 1 }, path with { References = [] },
            path with { Ca = ContentAddress.Parse("fixed:r:sha256:1b8m03r63zqhnjf7l5wnldhh7c134ap5vpj0850ymkq1iyzicy5s") },
        ];

        Assert.Equal(others.Length + 1, others.Append(path).Select(p => Convert.ToHexString(PathDigest.Of(p))).Distinct().Count());
    }
}
