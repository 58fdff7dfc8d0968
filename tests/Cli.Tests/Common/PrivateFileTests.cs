using System.Text;
using OrleansCache.Cli.Common;
using OrleansCache.Testing;
using Xunit;

namespace OrleansCache.Cli.Tests.Common;

/// <summary>Files that are replaced as a whole.</summary>
public sealed class PrivateFileTests : IDisposable
{
    private readonly TempFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    [Fact]
    public async Task A_link_that_somebody_has_put_beside_the_file_is_not_followed()
    {
        await File.WriteAllTextAsync(_folder["victim"], "theirs");
        foreach (var guess in new[] { "new", $"{Environment.ProcessId}.new", "tmp" })
            File.CreateSymbolicLink(_folder[$"file.{guess}"], _folder["victim"]);

        PrivateFile.Write(_folder["file"], "ours"u8);

        Assert.Equal(("ours", "theirs"), (await File.ReadAllTextAsync(_folder["file"]), await File.ReadAllTextAsync(_folder["victim"])));
        Assert.Equal((UnixMode.Own, null), (UnixMode.Of(_folder["file"]), new FileInfo(_folder["file"]).LinkTarget));
    }

    [Fact]
    public void What_cannot_be_written_leaves_nothing_behind()
    {
        Directory.CreateDirectory(_folder["file/inner"]);

        Assert.ThrowsAny<IOException>(() => PrivateFile.Replace(_folder["file"], Encoding.UTF8.GetBytes("ours"), UnixMode.Own, false));

        Assert.Single(Directory.GetFileSystemEntries(_folder.Path));
    }

    [Fact]
    public async Task A_path_is_followed_through_every_link_on_its_way()
    {
        Directory.CreateDirectory(_folder["real/deep"]);
        Directory.CreateSymbolicLink(_folder["folder"], "real");
        File.CreateSymbolicLink(_folder["real/deep/link"], "../deep/./end");
        await File.WriteAllTextAsync(_folder["real/deep/end"], "");

        Assert.Equal(_folder["real/deep/end"], RealPath.Of(_folder["folder/deep/link"]));
        Assert.Equal(_folder["real/none/yet"], RealPath.Of(_folder["folder/none/yet"]));
        File.CreateSymbolicLink(_folder["a"], _folder["b"]);
        File.CreateSymbolicLink(_folder["b"], "a");
        Assert.Throws<IOException>(() => RealPath.Of(_folder["a"]));
    }
}
