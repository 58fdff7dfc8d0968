using Orleans.Serialization;
using Xunit;

namespace OrleansCache.Grains.Tests;

public sealed class ClusterCallsTests
{
    [Fact]
    public async Task A_call_whose_exception_cannot_be_read_is_done_without_the_grain()
    {
        var calls = new ClusterCalls(TimeProvider.System) { Grains = Unreachable.Grains };
        var asked = 0;

        var answer = await calls.AskAsync<string>(
            _ =>
            {
                asked++;
                throw new CodecNotFoundException("an older silo's exception");
            },
            () => Task.FromResult("directly"), CancellationToken.None);

        Assert.Equal(("directly", 2), (answer, asked));
    }
}
